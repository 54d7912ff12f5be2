//! Plain folders of models, with names of every kind.

use super::*;

#[test]
fn plain_folders() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    write(&folder.join("one.gguf"), &model("1"));
    write(&folder.join("deep/er/two.GGUF"), &model("2"));
    write(&folder.join("notes.txt"), b"GGUF");
    write(&folder.join(".gguf"), b"a hidden file without a name");
    write(&folder.join("a/b/c/d/e/f/six.gguf"), &model("6"));
    write(&folder.join("a/b/c/d/e/f/g/seven.gguf"), &model("7"));
    write(&folder.join("a/b/c/d/e/f/h/eight.gguf"), &model("8"));
    fs::create_dir_all(folder.join("folder.gguf")).unwrap();
    write(&folder.join("folder.gguf/inside.gguf"), &model("8"));
    // A link back up, one to itself, one to a folder that is found anyway, one out of it.
    symlink(&folder, folder.join("deep/up")).unwrap();
    symlink("itself", folder.join("itself")).unwrap();
    symlink("deep", folder.join("also-deep")).unwrap();
    write(&machine.root().join("elsewhere/outside.gguf"), &model("9"));
    symlink(machine.root().join("elsewhere"), folder.join("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.join("fifo.gguf"), rustix::fs::Mode::RUSR).unwrap();
    write(&folder.join("inner/nested.gguf"), &model("10"));
    machine.settings.folders.push(folder.join("inner"));
    machine.settings.folders.push(machine.root().join("not-there"));
    machine.settings.folders.push(folder.join("notes.txt"));
    insta::assert_snapshot!(machine.lines(), @r#"
    folder:[root]/models/fifo.gguf · fifo · not a regular file but a FIFO
    folder:[root]/models/one.gguf · one · ready
    folder:[root]/models/folder.gguf/inside.gguf · inside · ready
    folder:[root]/models/inner/nested.gguf · nested · ready
    folder:[root]/models/deep/er/two.GGUF · two · ready
    folder:[root]/models/a/b/c/d/e/f/six.gguf · six · ready
    folder:[root]/models/link/outside.gguf · outside · ready
    ! [root]/models/a/b/c/d/e/f/g: is nested too deeply and is skipped, as are 1 more
    ! [root]/not-there: no such file or directory
    ! [root]/models/notes.txt: not a directory
    "#);
    let counts: Vec<_> = machine.list().stores.iter().map(|store| store.n_models).collect();
    assert_eq!(counts, [0, 7, 0, 0, 0]);
}

#[test]
fn hostile_names_are_harmless_and_distinct() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    for (number, name) in [
        &b"\x1b[31mred\x1b[0m.gguf"[..],
        b"50%.gguf",
        b"50%25.gguf",
        b"bad\xff.gguf",
        b"bad\xfe.gguf",
        "evil\u{202e}.gguf".as_bytes(),
        b"two\nlines.gguf",
    ]
    .into_iter()
    .enumerate()
    {
        write(&folder.join(OsStr::from_bytes(name)), &model(&number.to_string()));
    }
    machine.blob("models--a\x1b[2J--b", "one", "m.gguf", "1", &model("another"));
    insta::assert_snapshot!(machine.lines(), @r#"
    hf:a%1B[2J/b/m.gguf · m · ready
    folder:[root]/models/%1B[31mred%1B[0m.gguf · [31mred[0m · ready
    folder:[root]/models/50%25.gguf · 50% · ready
    folder:[root]/models/50%2525.gguf · 50%25 · ready
    folder:[root]/models/bad%FE.gguf · bad� · ready
    folder:[root]/models/bad%FF.gguf · bad� · ready
    folder:[root]/models/evil%E2%80%AE.gguf · evil · ready
    folder:[root]/models/two%0Alines.gguf · two lines · ready
    "#);
    let listing = machine.list();
    assert!(listing.models.iter().all(|model| model.is_runnable()));
    assert!(!machine.lines().contains(|character: char| character.is_control() && character != '\n'));
}

#[test]
fn what_may_not_be_read_is_told() {
    if rustix::process::geteuid().is_root() {
        // Root may read everything.
        return;
    }
    let mut machine = Machine::new();
    let folder = machine.folder();
    write(&folder.join("locked/in.gguf"), &model("1"));
    write(&folder.join("file.gguf"), &model("2"));
    let set = |name: &str, mode| fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
    set("locked", 0o000);
    set("file.gguf", 0o000);
    let lines = machine.lines();
    set("locked", 0o755);
    insta::assert_snapshot!(lines, @r"
    folder:[root]/models/file.gguf · file · permission denied
    ! [root]/models/locked: permission denied
    ");
    set("file.gguf", 0o644);
    assert!(machine.list().models.iter().all(|model| model.is_runnable()), "a reason of the system is not remembered");
}
