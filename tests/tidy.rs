//! Holds the walls of ARCHITECTURE.md: who may import whom, where `unsafe` and foreign types may
//! stand, how long a file may be, and what each module says of itself.
//!
//! It reads the sources as text, without comments and strings, and needs no compiler.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const LAYERS: [&str; 10] = ["model", "wire", "sys", "collect", "analyze", "render", "lab", "probe", "cli", "main"];

/// What a layer may import, besides itself. An entry with `::` allows only that module and its children.
fn allowed(layer: &str) -> &'static [&'static str] {
    match layer {
        "sys" => &["wire"],
        "collect" | "lab" => &["model", "wire", "sys"],
        "wire" | "analyze" => &["model"],
        "render" => &["model", "analyze"],
        "probe" => &["model", "wire", "sys", "analyze"],
        "cli" | "main" => &LAYERS,
        _ => &[],
    }
}

/// Crates whose types may stand only in some layers.
const FENCED: [(&str, &[&str]); 9] = [
    ("netlink_packet_core", &["wire", "lab"]),
    ("netlink_packet_route", &["wire", "lab"]),
    ("rtnetlink", &["lab"]),
    ("netlink_sys", &["sys", "lab"]),
    ("containerd_client", &["collect", "lab"]),
    ("k8s_cri", &["collect", "lab"]),
    ("tonic", &["collect", "lab"]),
    ("tokio", &["collect", "lab"]),
    ("clap", &["cli", "main"]),
];

/// What pure layers must not touch.
const IMPURE: [&str; 9] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::time",
    "std::thread",
    "std::os",
    "Timestamp::now",
    "RandomState",
    "HashMap",
];
const PURE_LAYERS: [&str; 4] = ["model", "wire", "analyze", "render"];

const CODE_LINES: usize = 500;

struct Source {
    /// From the package's folder, with `/`.
    path: String,
    layer: String,
    text: String,
    /// Without comments and the contents of strings; line breaks kept.
    code: String,
    is_test: bool,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, wanted: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.is_symlink() {
            files(&path, wanted, found);
        } else if wanted(&path) {
            found.push(path);
        }
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    files(&root().join(folder), &|path| path.extension().is_some_and(|extension| extension == "rs"), &mut paths);
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            let within = path.strip_prefix("src/").unwrap_or(&path);
            let layer = within.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
            let is_test = is_test_file(&path) || path.contains("/tests/") || path.starts_with("tests/");
            Source { code: strip(&text), path, layer, text, is_test }
        })
        .collect()
}

/// `tests.rs` beside a module's folder, `route_tests.rs` beside `route.rs`.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

/// Blanks comments and what stands in string and character literals; keeps line breaks.
fn strip(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    let starts = |at: usize, what: &str| bytes[at..].iter().take(what.len()).copied().eq(what.chars());
    while at < bytes.len() {
        if starts(at, "//") {
            while at < bytes.len() && bytes[at] != '\n' {
                at += 1;
            }
        } else if starts(at, "/*") {
            let mut depth = 0;
            while at < bytes.len() {
                if starts(at, "/*") {
                    depth += 1;
                    at += 2;
                } else if starts(at, "*/") {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        break;
                    }
                } else {
                    if bytes[at] == '\n' {
                        code.push('\n');
                    }
                    at += 1;
                }
            }
        } else if bytes[at] == 'r' && !code.ends_with(|before: char| before.is_alphanumeric() || before == '_') && {
            let hashes = bytes[at + 1..].iter().take_while(|next| **next == '#').count();
            bytes.get(at + 1 + hashes) == Some(&'"')
        } {
            let hashes = bytes[at + 1..].iter().take_while(|next| **next == '#').count();
            let end = format!("\"{}", "#".repeat(hashes));
            at += hashes + 2;
            while at < bytes.len() && !starts(at, &end) {
                if bytes[at] == '\n' {
                    code.push('\n');
                }
                at += 1;
            }
            at += end.len();
            code.push_str("\"\"");
        } else if bytes[at] == '"' {
            at += 1;
            while at < bytes.len() && bytes[at] != '"' {
                if bytes[at] == '\\' {
                    at += 1;
                }
                if bytes.get(at) == Some(&'\n') {
                    code.push('\n');
                }
                at += 1;
            }
            at += 1;
            code.push_str("\"\"");
        } else if bytes[at] == '\'' && (bytes.get(at + 1) == Some(&'\\') || bytes.get(at + 2) == Some(&'\'')) {
            // A character, not a lifetime.
            at += if bytes[at + 1] == '\\' { 3 } else { 2 };
            while at < bytes.len() && bytes[at] != '\'' {
                at += 1;
            }
            at += 1;
            code.push_str("''");
        } else {
            code.push(bytes[at]);
            at += 1;
        }
    }
    code
}

/// Cuts `#[cfg(test)] mod … { … }` off: what tests import is their own affair.
fn without_unit_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some(found) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..found]);
        let after = &rest[found..];
        let end = after.find([';', '{']).map_or(after.len(), |at| {
            if after.as_bytes()[at] == b';' { at + 1 } else { at + closing_brace(&after[at..]) }
        });
        // Lines stay in number.
        kept.extend(after[..end].chars().filter(|character| *character == '\n'));
        rest = &after[end..];
    }
    kept + rest
}

/// The length of the block that `code` begins with.
fn closing_brace(code: &str) -> usize {
    let mut depth = 0;
    for (at, character) in code.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// Every path that begins with `crate::` (or `super::` steps that lead to the crate's root), its braces unfolded.
fn crate_paths(code: &str) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for start in ["crate::", "podnet::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == ':') {
                unfold("", &code[at + start.len()..], &mut paths);
            }
        }
    }
    paths
}

/// The same for paths that climb to the crate's root with `super::`, from a module that lies `depth` deep.
fn climbing_paths(code: &str, depth: usize) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (at, _) in code.match_indices("super::") {
        if code[..at].ends_with("super::") {
            continue;
        }
        let steps = count_steps(&code[at..]);
        if steps >= depth {
            unfold("", &code[at + steps * "super::".len()..], &mut paths);
        }
    }
    paths
}

/// `src/collect/root.rs` is the module `collect::root`, 2 deep; `src/collect/mod.rs` is 1 deep.
fn module_depth(path: &str) -> usize {
    path.trim_start_matches("src/").trim_end_matches("/mod.rs").split('/').count()
}

fn count_steps(code: &str) -> usize {
    let mut rest = code;
    let mut steps = 0;
    while let Some(after) = rest.strip_prefix("super::") {
        rest = after;
        steps += 1;
    }
    steps
}

/// Reads one use tree (or a plain path) and adds each path in it; gives how much was read.
fn unfold(prefix: &str, tree: &str, paths: &mut BTreeSet<String>) -> usize {
    let mut path = prefix.to_owned();
    let mut at = 0;
    loop {
        let rest = &tree[at..];
        let skipped = rest.len() - rest.trim_start().len();
        let word: String =
            rest.trim_start().chars().take_while(|next| next.is_alphanumeric() || *next == '_').collect();
        if !word.is_empty() {
            path = if path.is_empty() { word.clone() } else { format!("{path}::{word}") };
            at += skipped + word.len();
            if tree[at..].starts_with("::") {
                at += 2;
                continue;
            }
        } else if rest.trim_start().starts_with('{') {
            at += skipped + 1;
            loop {
                at += unfold(&path, &tree[at..], paths);
                let rest = tree[at..].trim_start();
                let skipped = tree[at..].len() - rest.len();
                // `as name` and `*`
                let stop = rest.find([',', '}']).unwrap_or(rest.len());
                at += skipped + stop + 1;
                if rest[stop..].starts_with('}') || stop == rest.len() {
                    return at.min(tree.len());
                }
            }
        }
        if !path.is_empty() {
            paths.insert(path);
        }
        return at;
    }
}

fn fail(what: &str, faults: &BTreeMap<String, Vec<String>>) {
    let mut told = String::new();
    for (path, faults) in faults {
        for fault in faults {
            let _ = writeln!(told, "  {path}: {fault}");
        }
    }
    assert!(told.is_empty(), "{what}\n{told}");
}

fn check(what: &str, folder: &str, find: impl Fn(&Source) -> Vec<String>) {
    let sources = sources(folder);
    assert!(!sources.is_empty(), "no sources under {folder}");
    let faults = sources
        .iter()
        .map(|source| (source.path.clone(), find(source)))
        .filter(|(_, found)| !found.is_empty())
        .collect();
    fail(what, &faults);
}

#[test]
fn layers_import_only_what_their_wall_lets_through() {
    check("forbidden imports (ARCHITECTURE.md has the table):", "src", |source| {
        if source.layer == "lib" {
            return Vec::new();
        }
        assert!(LAYERS.contains(&source.layer.as_str()), "{} is in no layer", source.path);
        let code = if source.is_test { String::new() } else { without_unit_tests(&source.code) };
        let mut paths = crate_paths(&code);
        paths.append(&mut climbing_paths(&code, module_depth(&source.path)));
        paths
            .into_iter()
            .filter(|path| {
                let layer = path.split("::").next().unwrap_or_default();
                LAYERS.contains(&layer) && layer != source.layer && !allowed(&source.layer).contains(&layer)
            })
            .map(|path| format!("{} must not use crate::{path}", source.layer))
            .collect()
    });
}

#[test]
fn sys_and_render_use_of_their_neighbours_only_what_the_table_says() {
    check("forbidden imports:", "src", |source| {
        let code = if source.is_test { String::new() } else { without_unit_tests(&source.code) };
        crate_paths(&code)
            .into_iter()
            .filter(|path| source.layer == "sys" && path.starts_with("wire") && !path.starts_with("wire::netlink"))
            .map(|path| format!("sys knows wire's message framing only, not crate::{path}"))
            .collect()
    });
}

#[test]
fn types_of_crates_that_change_often_stay_behind_their_fence() {
    check("foreign types outside their fence:", "src", |source| {
        let code = without_unit_tests(&source.code);
        FENCED
            .iter()
            .filter(|(name, layers)| !layers.contains(&source.layer.as_str()) && uses_crate(&code, name))
            .map(|(name, layers)| format!("{name} may be used in {} only", layers.join(" and ")))
            .collect()
    });
}

/// Whether a path in `code` begins with the crate `name`: in a use tree, or inline where no module of ours has that name.
fn uses_crate(code: &str, name: &str) -> bool {
    let mut imported = BTreeSet::new();
    let mut inline = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let is_statement = rest[..at].chars().next_back().is_none_or(char::is_whitespace);
        let end = rest[at..].find(';').map_or(rest.len(), |length| at + length);
        inline.push_str(&rest[..at]);
        if is_statement {
            unfold("", &rest[at + "use ".len()..end], &mut imported);
        }
        rest = &rest[end..];
    }
    inline.push_str(rest);
    let begins = |path: &String| path == name || path.starts_with(&format!("{name}::"));
    let is_ours =
        imported.iter().any(|path| path.ends_with(&format!("::{name}"))) || mentions(&inline, &format!("mod {name}"));
    imported.iter().any(begins)
        || !is_ours
            && inline.match_indices(&format!("{name}::")).any(|(at, _)| {
                let before = inline[..at].chars().next_back();
                !before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == ':')
            })
}

fn mentions(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let edge = |character: Option<char>| !character.is_some_and(|found| found.is_alphanumeric() || found == '_');
        edge(code[..at].chars().next_back()) && edge(code[at + word.len()..].chars().next())
    })
}

#[test]
fn pure_layers_touch_no_file_clock_or_environment() {
    check("impure:", "src", |source| {
        if source.is_test || !PURE_LAYERS.contains(&source.layer.as_str()) {
            return Vec::new();
        }
        let code = without_unit_tests(&source.code);
        IMPURE
            .iter()
            .filter(|word| mentions(&code, word))
            // It cannot be walked there, so no order comes out of it.
            .filter(|word| !(**word == "HashMap" && source.path == "src/model/keyed.rs"))
            .filter(|word| {
                !(**word == "std::time"
                    && code.matches("std::time").count() == code.matches("std::time::Duration").count())
            })
            .map(|word| format!("{} must not use {word}", source.layer))
            .collect()
    });
}

#[test]
fn unsafe_stands_only_in_sys_and_tells_why_it_is_sound() {
    check("unsafe:", "src", |source| {
        if !mentions(&source.code, "unsafe") {
            return Vec::new();
        }
        if source.layer != "sys" {
            return vec!["unsafe outside sys".to_owned()];
        }
        let blocks = source.code.matches("unsafe {").count() + source.code.matches("unsafe impl").count();
        let reasons = source.text.matches("// SAFETY:").count();
        if reasons < blocks { vec![format!("{blocks} unsafe blocks, {reasons} SAFETY comments")] } else { Vec::new() }
    });
}

#[test]
fn every_module_says_what_it_is_for_and_what_it_must_not_import() {
    check("module docs:", "src", |source| {
        if source.is_test || source.path == "src/main.rs" || source.path == "src/lib.rs" {
            return Vec::new();
        }
        if !source.text.starts_with("//! ") {
            return vec!["does not begin with //!".to_owned()];
        }
        let doc: String = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
        let rule = ["import", "May use", "must not", "Must not"].iter().any(|word| doc.contains(word));
        if rule { Vec::new() } else { vec!["its //! does not say what it may or must not import".to_owned()] }
    });
}

#[test]
fn files_are_short() {
    for folder in ["src", "tests", "benches", "fuzz", "examples"] {
        if !root().join(folder).is_dir() {
            continue;
        }
        check("too long:", folder, |source| {
            if is_test_file(&source.path) || source.path.contains("/target/") {
                return Vec::new();
            }
            let code = without_unit_tests(&source.code);
            let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
            if lines > CODE_LINES { vec![format!("{lines} lines of code, at most {CODE_LINES}")] } else { Vec::new() }
        });
    }
}

#[test]
fn nothing_is_left_half_done() {
    let words = ["todo!", "unimplemented!", "dbg!"];
    for folder in ["src", "tests"] {
        check("left behind:", folder, |source| {
            let mut found: Vec<String> = words
                .iter()
                .filter(|word| source.code.contains(**word))
                .map(|word| format!("{word} is left"))
                .collect();
            if source.code.contains("#[ignore]") {
                found.push("#[ignore] without a reason".to_owned());
            }
            found
        });
    }
}

#[test]
fn no_module_is_a_drawer_for_everything() {
    check("names that say nothing:", "src", |source| {
        let parts = source.path.trim_end_matches(".rs").split('/');
        parts
            .filter(|part| ["utils", "util", "common", "helpers", "helper", "misc"].contains(part))
            .map(|part| format!("{part} says nothing about what is in it"))
            .collect()
    });
}

#[test]
fn documents_and_scripts_name_no_machine_of_ours() {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "scripts", "man", "completions", "schemas", "benches", ".ci", ".github"] {
        files(&root().join(folder), &|_| true, &mut paths);
    }
    files(
        root(),
        &|path| path.extension().is_some_and(|extension| extension == "md") && !path.starts_with(root().join("target")),
        &mut paths,
    );
    paths.push(root().join("Makefile"));
    let mut faults = BTreeMap::new();
    for path in paths {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        // Spelled in pieces, so that this file does not find itself.
        let found: Vec<String> = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")]
            .iter()
            .filter(|place| text.contains(**place) && !name.starts_with("target"))
            .map(|place| format!("names {place}"))
            .collect();
        if !found.is_empty() {
            faults.insert(name, found);
        }
    }
    fail("paths of a machine:", &faults);
}

mod the_checks_themselves {
    use super::*;

    #[test]
    fn imports_are_found_in_use_trees_and_inline() {
        let code = strip(
            "use crate::{model::{ids::Pid, view as v}, sys};\n// crate::lab\nfn f() { crate::collect::root::x(\"crate::cli\"); }",
        );
        let expected = ["collect::root::x", "model::ids::Pid", "model::view", "sys"];
        assert_eq!(crate_paths(&code).into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn imports_that_climb_to_the_root_are_found() {
        let code = "use super::super::lab::plan; use super::sibling; fn f() { super::super::sys::x() }";
        assert_eq!(climbing_paths(code, 2).into_iter().collect::<Vec<_>>(), ["lab::plan", "sys::x"]);
        assert_eq!((module_depth("src/collect/root.rs"), module_depth("src/collect/mod.rs")), (2, 1));
    }

    #[test]
    fn a_module_of_ours_is_no_crate_of_that_name() {
        let uses = |code: &str| uses_crate(code, "rtnetlink");
        assert!(!uses("use crate::wire::{netlink, rtnetlink::link}; fn f() { crate::wire::rtnetlink::x() }"));
        assert!(!uses("pub mod rtnetlink;"));
        assert!(!uses("use crate::wire::rtnetlink; fn f() { rtnetlink::x() }"));
        assert!(uses("use {std::fs, rtnetlink::Handle};"));
        assert!(uses("fn f(handle: rtnetlink::Handle) {}"));
    }

    #[test]
    fn comments_strings_and_characters_are_blanked() {
        let text = "let a = \"unsafe \\\" x\"; /* unsafe /* y */ z */ let b = '\"'; let c: &'static str = r#\"todo!\"#; // dbg!\nunsafe";
        assert_eq!(strip(text), "let a = \"\";  let b = ''; let c: &'static str = \"\"; \nunsafe");
    }

    #[test]
    fn unit_tests_are_cut_off() {
        assert_eq!(without_unit_tests("a\n#[cfg(test)]\nmod tests {\n fn x() { {} }\n}\nb"), "a\n\n\n\n\nb");
        assert_eq!(without_unit_tests("a\n#[cfg(test)]\nmod tests;\nb"), "a\n\n\nb");
    }
}
