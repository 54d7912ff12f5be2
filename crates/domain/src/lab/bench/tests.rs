use super::*;

#[test]
fn plans_become_cells() {
    let plan = |change: fn(&mut Plan)| {
        let mut plan = Plan::default();
        change(&mut plan);
        plan.cells().map(|cells| cells.iter().map(TestCase::key).collect::<Vec<_>>())
    };
    assert_eq!(plan(|_| ()).unwrap(), ["pp512 b2048", "tg128 b2048"]);
    let all = plan(|plan| {
        plan.depths = vec![0, 4096];
        plan.parallel = vec![1, 4];
        plan.n_prompt = vec![0];
        plan.n_generate = vec![32, 32];
    });
    assert_eq!(all.unwrap(), ["tg32 b2048", "tg32 @ d4096 b2048", "tg32 × 4 b2048", "tg32 @ d4096 × 4 b2048"]);
    for (change, error) in [
        ((|plan| (plan.n_prompt, plan.n_generate) = (vec![0], vec![])) as fn(&mut Plan), "there is nothing to measure"),
        (|plan| plan.repetitions = 0, "repetitions must be 1 to 100"),
        (|plan| plan.parallel = vec![0], "sequences must be 1 to 256"),
        (|plan| plan.n_prompt = vec![u32::MAX], "a length is above 1048576 tokens"),
        (|plan| (plan.batches, plan.parallel) = (vec![2], vec![4]), "a batch of 2 is smaller than 4 sequences"),
        (|plan| plan.n_prompt = (1..=300).collect(), "301 cells are more than 200"),
    ] {
        assert_eq!(plan(change), Err(error.to_owned()));
    }
}

#[test]
fn cells_with_as_many_sequences_share_a_context() {
    let plan = Plan { depths: vec![0, 1000], parallel: vec![1, 2], ..Plan::default() };
    let cells = plan.cells().unwrap();
    assert_eq!(plan.n_context(&cells, 1), 1536);
    assert_eq!(plan.n_context(&cells[..2], 1), 512);
}
