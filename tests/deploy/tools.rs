//! Owns what the tools that read deployments say of them: docker-compose, the schemas of Kubernetes, systemd. Each is also shown
//! broken copies and must refuse them. Ignored by `cargo test`; `.ci/run` installs the tools and runs it.

use crate::{files, text};
use std::process::Command;

/// What a tool says of a text in a file of that name; nothing where it takes it without a word.
fn fault(name: &str, content: &str, command: &[&str]) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    std::fs::write(&file, content).expect("a file");
    let [program, arguments @ ..] = command else {
        unreachable!("a command has a name");
    };
    let file = file.display().to_string();
    let arguments = arguments.iter().map(|word| word.replace("FILE", &file));
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; .ci/run installs it"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    (!output.status.success() || !said.is_empty()).then(|| format!("{}: {said}", output.status))
}

/// The file is taken, and copies with a piece replaced are refused with a word on why.
fn assert_read(name: &str, content: &str, command: &[&str], broken: &[(&str, &str, &str)]) {
    assert_eq!(fault(name, content, command), None, "{name}");
    for (from, to, why) in broken {
        assert!(content.contains(from), "{name} does not say {from}");
        let said = fault(name, &content.replacen(from, to, 1), command).unwrap_or_default();
        assert!(said.contains(why), "{name}, {to} for {from}: {said}");
    }
}

#[test]
#[ignore = "needs docker-compose: .ci/run"]
fn docker_compose_reads_the_compose_file_and_refuses_broken_copies() {
    assert_read(
        "compose.yaml",
        &text("deploy/compose.yaml"),
        &["docker-compose", "--file", "FILE", "config", "--quiet"],
        &[
            ("mem_limit: 1g", "memory: 1g", "'memory'"),
            ("127.0.0.1:9464:9464", "127.0.0.1:9464:http", "ports"),
            ("service_healthy", "healthy", "condition"),
            ("  topics:\n", "  topic:\n", "topics"),
            ("&hardened", "&hard", "hardened"),
        ],
    );
}

#[test]
#[ignore = "needs the schemas of Kubernetes: .ci/run"]
fn the_manifests_fit_the_schemas_of_kubernetes_and_broken_copies_do_not() {
    let broken = |name: &str| match name {
        "statefulset.yaml" => &[
            ("replicas: 3", "replica: 3", "replica"),
            ("replicas: 3", "replicas: three", "spec.replicas"),
            ("  template:\n", "  templates:\n", "template"),
            ("timeoutSeconds: 3", "timeout: 3", "timeout"),
        ][..],
        "networkpolicy.yaml" => &[("port: 9464", "number: 9464", "number")],
        "poddisruptionbudget.yaml" => &[("maxUnavailable: 1", "unavailable: 1", "unavailable")],
        "topics.yaml" => &[("apiVersion: batch/v1", "apiVersion: batch/v9", "batch/v9")],
        _ => &[],
    };
    // What is not an object of the cluster's is read by its own test.
    let manifests = files("deploy/kubernetes", "yaml").into_iter();
    for (name, content) in manifests.filter(|(name, _)| name != "kustomization.yaml") {
        let command = ["kubernetes-validate", "--strict", "--quiet", "FILE"];
        assert_read(&name, &content, &command, broken(&name));
    }
}

#[test]
#[ignore = "needs systemd: .ci/run"]
fn systemd_takes_the_unit_and_finds_its_sandbox_tight() {
    let unit = text("deploy/systemd/surgewatch.service");
    // systemd looks for the program.
    let unit = unit.replace(
        "/usr/local/bin/surgewatch",
        env!("CARGO_BIN_EXE_surgewatch"),
    );
    assert_read(
        "surgewatch.service",
        &unit,
        &["systemd-analyze", "verify", "--man=no", "FILE"],
        &[
            ("DynamicUser=", "DynamicUsers=", "DynamicUsers"),
            ("ProtectSystem=strict", "ProtectSystem=very", "very"),
            ("Type=exec", "Type=exek", "exek"),
            ("\nExecStart=", "\n#ExecStart=", "no ExecStart="),
            ("surgewatch run ", "surge run ", "not executable"),
        ],
    );
    // Of a hundred: the unit has 12, one without a sandbox more than 90. The table is shown in any case.
    let security =
        "systemd-analyze security --offline=yes --no-pager --threshold=15 FILE >/dev/null";
    assert_read(
        "surgewatch.service",
        &unit,
        &["sh", "-c", security],
        &[
            ("CapabilityBoundingSet=\n", "\n", "exit status"),
            ("SystemCallFilter=@system-service\n", "\n", "exit status"),
        ],
    );
}
