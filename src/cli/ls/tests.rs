use std::path::PathBuf;

use super::*;
use crate::cli::show;
use domain::model::{Format, ModelFile, Store};
use domain::openness::Openness;
use domain::units::Bytes;

const NOW: i64 = 1_800_000_000;

fn library() -> (Vec<Arc<Model>>, Vec<StoreStatus>) {
    let bytes = gguf::testing::Builder::tiny_llama()
        .without("llama.context_length")
        .u32("llama.context_length", 20_000)
        .string("general.license", "apache-2.0")
        .string("general.size_label", "8B")
        .string("general.quantized_by", "some\u{1b}[31mone")
        .u32("general.base_model.count", 1)
        .string("general.base_model.0.organization", "Qwen")
        .string("general.base_model.0.name", "Qwen3 8B Base")
        .f32("general.sampling.temp", 0.5)
        .build();
    let summary = gguf::Header::read(&bytes[..]).unwrap().summary();
    let file = |path: &str, size| ModelFile {
        path: PathBuf::from(path),
        size: Bytes(size),
        modified: NOW - 86_400,
        digest: None,
    };
    let whole = Model {
        id: "hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf".to_owned(),
        name: "Qwen3-8B-Q4_K_M".to_owned(),
        store: Store::HuggingFace,
        repository: Some("Qwen/Qwen3-8B-GGUF".to_owned()),
        files: vec![file("/hub/one\u{1b}[2J.gguf", 5_000_000_000), file("/hub/two.gguf", 27_800_000)],
        size: Bytes(5_027_800_000),
        status: Status::Runnable,
        used: Some(NOW - 7200),
        summary: Some(summary),
        note: Some("a note".to_owned()),
        format: Format::Gguf,
        card: None,
        overridden: None,
        tried: None,
        also: Vec::new(),
        machine: None,
        remote: None,
    };
    let broken = Model {
        id: "folder:/models/broken.gguf".to_owned(),
        name: "broken".to_owned(),
        store: Store::Folder,
        repository: None,
        files: vec![file("/models/broken.gguf", 7)],
        size: Bytes(7),
        status: Status::Damaged("cut off at tensor 131 of 272".to_owned()),
        used: None,
        summary: None,
        note: None,
        format: Format::Gguf,
        card: None,
        overridden: None,
        tried: None,
        also: Vec::new(),
        machine: None,
        remote: None,
    };
    let store = |store, place: &str, problems: &[&str]| StoreStatus {
        store,
        engine: None,
        place: place.to_owned(),
        n_models: 1,
        broken_manifests: 0,
        problems: problems.iter().map(|&problem| problem.to_owned()).collect(),
    };
    let stores = vec![
        store(Store::HuggingFace, "/hub", &[]),
        store(Store::Folder, "/models", &["/models/locked: permission denied"]),
    ];
    (vec![Arc::new(whole), Arc::new(broken)], stores)
}

fn listed(change: impl FnOnce(&mut Options)) -> String {
    let mut options = Options { now: NOW, ..Options::default() };
    change(&mut options);
    let (models, stores) = library();
    let mut out = Vec::new();
    run(&models, &stores, &Table::embedded(), &options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn shown(model: usize, json: bool) -> String {
    let mut out = Vec::new();
    let models = library().0;
    let mut domain = domain::Domain::new(domain::settings::Settings::default());
    domain.library.openness =
        Openness { cards: openness::cards(&models, &models, &Table::embedded()), ..Openness::default() };
    show::run(&domain, &models[model], json, NOW, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_table() {
    insta::assert_snapshot!(listed(|_| ()), @r#"
    Model            Params  Quant    Size  Context  License     Store   Used     Status
    broken                —  —         7 B        —  —           folder  —        ✕ cut off at tensor 131 of 272
    Qwen3-8B-Q4_K_M  20.6 k  F32    5.0 GB      20k  apache-2.0  hf      2 h ago  ready
    "#);
    insta::assert_snapshot!(listed(|options| options.width = Some(80)), @r#"
    Model            Params  Quant    Size  Context  Store   Used     Status
    broken                —  —         7 B        —  folder  —        ✕ cut off at …
    Qwen3-8B-Q4_K_M  20.6 k  F32    5.0 GB      20k  hf      2 h ago  ready
    "#);
    insta::assert_snapshot!(listed(|options| options.width = Some(50)), @r#"
    Model            Params  Quant    Size  Status
    broken                —  —         7 B  ✕ cut off…
    Qwen3-8B-Q4_K_M  20.6 k  F32    5.0 GB  ready
    "#);
    insta::assert_snapshot!(listed(|options| options.filter = "is:damaged".to_owned()), @r#"
    Model   Params  Quant  Size  Context  License  Store   Used  Status
    broken       —  —       7 B        —  —        folder  —     ✕ cut off at tensor 131 of 272
    "#);
    insta::assert_snapshot!(listed(|options| options.filter = "zebra".to_owned()), @"no model matches the filter");
    let mut err = Vec::new();
    problems(&library().1, &mut err).unwrap();
    insta::assert_snapshot!(String::from_utf8(err).unwrap(), @"warning: folder: /models/locked: permission denied");
}

#[test]
fn names_of_the_users_own_are_listed() {
    let alias = |model: &str| Alias { model: model.to_owned(), ..Alias::default() };
    let aliases = [("coder", "qwen3-8b-q4_k_m"), ("chat", "Qwen3-8B-Q4_K_M"), ("lost", "gone")];
    let aliases: BTreeMap<String, Alias> =
        aliases.map(|(name, model)| (name.to_owned(), alias(model))).into_iter().collect();
    let text = listed(|options| options.aliases = aliases.clone());
    assert!(text.lines().next().is_some_and(|head| head.starts_with("Model            Aliases      Params")), "{text}");
    assert!(text.contains("Qwen3-8B-Q4_K_M  chat, coder"), "{text}");
    let document = listed(|options| (options.aliases, options.json) = (aliases, true));
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let names = |model: usize| document["models"][model]["aliases"].to_string();
    assert_eq!((names(0), names(1)), ("[]".to_owned(), r#"["chat","coder"]"#.to_owned()));
}

#[test]
fn one_model() {
    insta::assert_snapshot!(shown(0, false), @r#"
    Qwen3-8B-Q4_K_M
      a note

    Model
      id                 hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf
      status             ready
      store              hf
      repository         Qwen/Qwen3-8B-GGUF
      size               5.0 GB
      last used          2 h ago

    Measured here
      generation         —, `taffrail bench` measures it

    Openness
      declared           apache-2.0, OSI-approved (the file's header)
      inherited          apache-2.0, OSI-approved, from Qwen/Qwen3 8B Base (by https://huggingface.co/Qwen/Qwen3-8B)
      judged             MOT, 2026-05-11
      weights            ● open
      data               · not assessed
      training code      · not assessed
      evaluation         ◐ partial
      report             ◐ partial
      MOT                matched by family qwen3; judged there: Qwen/Qwen3-14B-Base
      OSAI Index         not assessed: European Open Source AI Index, 2026-06-12, does not know it
      Model Openness Tool, MIT, https://mot.isitopen.ai/: LF AI & Data, Model Openness Tool (Model Openness Framework 1.0). Copyright 2024 The Model Openness Tool Authors

    Contents
      name               Tiny
      family             qwen
      architecture       llama
      parameters         20.6 k (20640)
      size label         8B
      quantization       F32, 32.00 bits per weight
      quantized by       some[31mone
      context            20k trained (20000 tokens)
      attention          GQA
      layers             2
      embedding          32
      heads              4, 2 for keys and values
      vocabulary         64
      tokenizer          gpt2
      chat template      none: completion only
      license            apache-2.0
      made from          Qwen/Qwen3 8B Base

    Sampling defaults
      temperature        0.5

    Tensor types
      type  tensors  parameters     size
      F32        20      20.6 k  82.6 kB

    Memory, estimated: KV cache, and with weights, compute buffers and the program
      context  KV f16    total  KV q8_0    total  KV q4_0    total
      4096     524 kB  16.7 MB   557 kB  16.7 MB   295 kB  16.5 MB
      8192     1.0 MB  21.4 MB   1.1 MB  21.5 MB   590 kB  20.9 MB
      16384    2.1 MB  30.8 MB   2.2 MB  31.0 MB   1.2 MB  29.9 MB
      20000    2.6 MB  35.3 MB   2.8 MB  35.4 MB   1.5 MB  34.1 MB

    Files
        5.0 GB    24 h ago  /hub/one[2J.gguf
       27.8 MB    24 h ago  /hub/two.gguf
    "#);
    insta::assert_snapshot!(shown(1, false), @r#"
    broken

    Model
      id                 folder:/models/broken.gguf
      status             cut off at tensor 131 of 272
      store              folder
      size               7 B
      last used          —, not recorded by the file system

    Remarks
      can be tried       `--force` tries it anyway, in a worker of its own

    Openness
      declared           no known license
      OSAI Index         not assessed: European Open Source AI Index, 2026-06-12, does not know it
      MOT                not assessed: Model Openness Tool, 2026-05-11, does not know it

    Files
           7 B    24 h ago  /models/broken.gguf
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one document")]
fn json() {
    insta::assert_snapshot!(listed(|options| options.json = true), @r#"
    {
      "schema": "taffrail/ls/1",
      "models": [
        {
          "id": "folder:/models/broken.gguf",
          "name": "broken",
          "store": "folder",
          "repository": null,
          "machine": null,
          "status": "damaged",
          "reason": "cut off at tensor 131 of 272",
          "overridden": null,
          "remarks": [],
          "tried": null,
          "architecture": null,
          "parameters": null,
          "quant": null,
          "bits_per_weight": null,
          "size_bytes": 7,
          "context_length": null,
          "license": null,
          "strictest_license": null,
          "license_conflict": false,
          "used": null,
          "note": null,
          "format": "gguf",
          "files": [
            {
              "path": "/models/broken.gguf",
              "size_bytes": 7,
              "modified": 1799913600,
              "digest": null
            }
          ],
          "card": null,
          "also": [],
          "measured": null,
          "aliases": []
        },
        {
          "id": "hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf",
          "name": "Qwen3-8B-Q4_K_M",
          "store": "hf",
          "repository": "Qwen/Qwen3-8B-GGUF",
          "machine": null,
          "status": "runnable",
          "reason": null,
          "overridden": null,
          "remarks": [],
          "tried": null,
          "architecture": "llama",
          "parameters": 20640,
          "quant": "F32",
          "bits_per_weight": 32.0,
          "size_bytes": 5027800000,
          "context_length": 20000,
          "license": "apache-2.0",
          "strictest_license": {
            "id": "apache-2.0",
            "class": "osi"
          },
          "license_conflict": false,
          "used": 1799992800,
          "note": "a note",
          "format": "gguf",
          "files": [
            {
              "path": "/hub/one\u001b[2J.gguf",
              "size_bytes": 5000000000,
              "modified": 1799913600,
              "digest": null
            },
            {
              "path": "/hub/two.gguf",
              "size_bytes": 27800000,
              "modified": 1799913600,
              "digest": null
            }
          ],
          "card": null,
          "also": [],
          "measured": null,
          "aliases": []
        }
      ],
      "stores": [
        {
          "store": "hf",
          "engine": null,
          "place": "/hub",
          "n_models": 1,
          "broken_manifests": 0,
          "problems": []
        },
        {
          "store": "folder",
          "engine": null,
          "place": "/models",
          "n_models": 1,
          "broken_manifests": 0,
          "problems": [
            "/models/locked: permission denied"
          ]
        }
      ],
      "machines": [],
      "sessions": []
    }
    "#);
    let document: serde_json::Value = serde_json::from_str(&shown(0, true)).unwrap();
    assert_eq!(document["schema"], "taffrail/show/1");
    assert_eq!(document["model"]["id"], "hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf");
    assert_eq!(document["summary"]["context_length"], 20_000);
    let contexts: Vec<_> = document["memory"].as_array().unwrap().iter().map(|need| &need["context"]).collect();
    assert_eq!(contexts, [4096, 8192, 16_384, 20_000]);
    let kv = |cache: &str| document["memory"][0][cache]["kv"].as_u64().unwrap();
    // Two layers with 16 + 16 elements for each of 4096 cells.
    assert_eq!(kv("f16"), 2 * 4096 * 2 * 32);
    assert_eq!(kv("q8_0"), 2 * 4096 * 2 * 34);
    let broken: serde_json::Value = serde_json::from_str(&shown(1, true)).unwrap();
    assert_eq!(broken["model"]["status"], "damaged");
    assert_eq!(broken["model"]["reason"], "cut off at tensor 131 of 272");
    assert!(broken["summary"].is_null());
}

#[test]
fn nothing_reaches_the_terminal_that_it_would_obey() {
    for text in [listed(|_| ()), listed(|options| options.json = true), shown(0, false), shown(0, true)] {
        assert!(!text.contains(|character: char| character.is_control() && character != '\n'), "{text}");
    }
}
