//! The one image that sandboxes and containers run: a static program, compiled here, for no registry is reachable.
//!
//! Must not use podnet's own code.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::json;

use super::process::{command, stdout};

/// The image's name, for sandboxes and containers alike.
pub const IMAGE: &str = "podnet.test/pause:1";

/// What was built once for this test binary.
#[derive(Debug)]
pub struct Built {
    /// The program under its name `init`.
    pub init: PathBuf,
    /// The program under its name `app`.
    pub app: PathBuf,
    /// The image as `ctr images import` takes it.
    pub archive: PathBuf,
}

/// Compiles the program and packs the image, once.
pub fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| build(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("testbed-{}", module_folder()))))
}

/// Two test binaries may build at once: each has a folder of its own.
fn module_folder() -> &'static str {
    module_path!().split("::").next().expect("a crate name")
}

fn build(folder: &Path) -> Built {
    let root = folder.join("root");
    fs::create_dir_all(&root).expect("a folder for the image");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/testbed/node.c");
    let pause = root.join("pause");
    stdout(command(&["cc", "-Os", "-static", "-s", "-o"]).arg(&pause).arg(source));
    for name in ["init", "app"] {
        let link = root.join(name);
        let _ = fs::remove_file(&link);
        fs::hard_link(&pause, &link).expect("a second name for the program");
    }
    let layer = folder.join("layer.tar");
    stdout(command(&["tar", "--owner=0", "--group=0", "-cf"]).arg(&layer).arg("-C").arg(&root).args(["pause", "app"]));
    let sum = stdout(command(&["sha256sum"]).arg(&layer));
    let digest = sum.split(' ').next().expect("a digest");
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({
        "architecture": architecture, "os": "linux", "config": { "Entrypoint": ["/pause"] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
    });
    let manifest = json!([{ "Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"] }]);
    fs::write(folder.join("config.json"), config.to_string()).expect("the image's configuration");
    fs::write(folder.join("manifest.json"), manifest.to_string()).expect("the image's manifest");
    let archive = folder.join("image.tar");
    stdout(command(&["tar", "-cf"]).arg(&archive).arg("-C").arg(folder).args([
        "manifest.json",
        "config.json",
        "layer.tar",
    ]));
    Built { init: root.join("init"), app: root.join("app"), archive }
}
