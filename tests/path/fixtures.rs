//! Networks in which podnet and the kernel once differed, made as small as they go, and sent through again.

use std::fs;
use std::path::PathBuf;

use crate::compare::run;
use crate::script::Script;

#[test]
fn what_once_differed_agrees() {
    let folder = format!("{}/tests/path/fixtures", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "net"));
    files.sort();
    let mut wrong = Vec::new();
    for path in &files {
        let text = fs::read_to_string(path).unwrap();
        let (script, shots) = Script::parse(&text);
        assert_eq!(Script::parse(&script.text(&shots)), (script.clone(), shots.clone()), "{}", path.display());
        for told in run(&script, &shots) {
            wrong.extend(told.wrong.map(|wrong| format!("{}: {wrong}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{} of {} networks differ:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}
