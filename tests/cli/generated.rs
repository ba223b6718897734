//! Man pages, completions and schemas are made from the types, kept in the repository, and current.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use podnet::cli::completions::{Shell, script};
use podnet::cli::man::pages;
use podnet::cli::schema::schemas;

/// Rewrites what is not current and fails, unless `make generated` asked for just that.
#[test]
fn generated_files_are_current() {
    let mut wanted: BTreeMap<String, String> = BTreeMap::new();
    wanted.extend(pages().unwrap().into_iter().map(|(file, page)| (format!("man/{file}"), page)));
    wanted.extend(Shell::FILES.map(|(shell, file)| (format!("completions/{file}"), script(shell))));
    wanted.extend(schemas().into_iter().map(|(command, schema)| (format!("schemas/{command}.json"), schema)));

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut changed = Vec::new();
    for (file, text) in &wanted {
        let path = root.join(file);
        if fs::read_to_string(&path).ok().as_ref() != Some(text) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            changed.push(file.clone());
        }
    }
    for folder in ["man", "completions", "schemas"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let file = format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap());
            if !wanted.contains_key(&file) {
                fs::remove_file(root.join(&file)).unwrap();
                changed.push(format!("{file} (removed)"));
            }
        }
    }
    let asked = std::env::var_os("PODNET_GENERATE").is_some();
    assert!(asked || changed.is_empty(), "these were not current and have been rewritten; commit them: {changed:#?}");
}
