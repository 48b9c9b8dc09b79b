//! Owns the check of the deployments: settings that are refused nowhere, ports on loopback, no more rights than needed, probes.

use crate::{path, text};
use serde::Deserialize;
use serde_yaml_ng::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// Every document of a YAML file.
fn documents(file: &str) -> Vec<Value> {
    let content = text(file);
    let documents = serde_yaml_ng::Deserializer::from_str(&content);
    documents
        .map(|d| {
            let mut value = Value::deserialize(d).unwrap_or_else(|e| panic!("{file}: {e}"));
            value.apply_merge().expect("merges of maps");
            value
        })
        .collect()
}

fn document(file: &str) -> Value {
    documents(file).remove(0)
}

/// `surgewatch validate` on a settings file of the repository whose secrets and authority lie in a folder.
fn validate(file: &str, replaced: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = text(file);
    for (name, content) in replaced {
        assert!(settings.contains(name), "{file} does not name {name}");
        let own = folder.path().join(name.replace('/', "_"));
        std::fs::write(&own, content).expect("a file");
        settings = settings.replace(name, &own.display().to_string());
    }
    let own = folder.path().join("surgewatch.toml");
    std::fs::write(&own, settings).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_surgewatch"))
        .args(["validate", "--config"])
        .arg(&own)
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

#[test]
fn the_settings_for_tls_and_passwords_are_taken_with_their_files_and_refused_without() {
    let authority = text("tests/data/test-ca.pem");
    for (file, ca, password) in [
        (
            "config/sasl-tls.toml",
            "/etc/surgewatch/kafka-ca.pem",
            "/etc/surgewatch/kafka-password",
        ),
        (
            "deploy/kubernetes/surgewatch.toml",
            "/etc/surgewatch/kafka/ca.crt",
            "/etc/surgewatch/kafka/password",
        ),
    ] {
        // A file of one line ends in a newline, which is no part of the password.
        let (code, said) = validate(file, &[(ca, &authority), (password, "secret\n")]);
        assert_eq!(code, Some(0), "{file}: {said}");
        let (code, said) = validate(file, &[]);
        assert!(
            code == Some(74) && said.contains(password),
            "{file}: {said}"
        );
        let (code, said) = validate(file, &[(ca, &authority), (password, "\n")]);
        assert!(
            code == Some(78) && said.contains("is empty"),
            "{file}: {said}"
        );
        for authority in [
            &[(password, "secret")][..],
            &[(ca, "no certificate"), (password, "secret")],
        ] {
            let (code, said) = validate(file, authority);
            let names = said.contains("ssl.ca.location");
            assert!(code == Some(78) && names, "{file}: {said}");
        }
    }
}

#[test]
fn compose_publishes_on_loopback_only_and_gives_no_rights_away() {
    let compose = document("deploy/compose.yaml");
    let services = compose["services"].as_mapping().expect("services");
    for name in [
        "kafka",
        "topics",
        "surgewatch",
        "prometheus",
        "alertmanager",
        "grafana",
    ] {
        assert!(services.contains_key(name), "{name}");
    }
    for (name, service) in services {
        let name = name.as_str().expect("a name");
        for port in service["ports"].as_sequence().into_iter().flatten() {
            let port = port.as_str().expect("a port");
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port}");
        }
        let image = service["image"].as_str().expect("an image");
        assert!(
            image.contains(':') && !image.ends_with(":latest"),
            "{image}"
        );
        assert_eq!(service["cap_drop"][0], "ALL", "{name}");
        assert_eq!(
            service["security_opt"][0], "no-new-privileges:true",
            "{name}"
        );
        // Apache's image writes its settings at the start.
        assert!(
            name == "kafka" || service["read_only"] == Value::Bool(true),
            "{name}"
        );
        let volumes = service["volumes"].as_sequence().into_iter().flatten();
        let volumes = volumes.filter_map(|v| v.as_str()?.split(':').next());
        for source in volumes.filter(|source| source.starts_with('.')) {
            assert!(
                path("deploy").join(source).exists(),
                "{name} mounts {source}"
            );
        }
    }
    let prometheus = document("deploy/prometheus/prometheus.yml");
    let target = &prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0];
    assert_eq!(target, "surgewatch:9464");
    let listen = &services["surgewatch"]["environment"]["SURGEWATCH__HTTP__LISTEN"];
    assert_eq!(listen, "0.0.0.0:9464");
}

/// What the pods of a workload must not be able to do.
fn assert_locked(pod: &Value, what: &str) {
    assert_eq!(pod["automountServiceAccountToken"], false, "{what}");
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{what}");
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault",
        "{what}"
    );
    let containers = ["initContainers", "containers"].map(|kind| pod[kind].as_sequence());
    for container in containers.into_iter().flatten().flatten() {
        let own = &container["securityContext"];
        assert_eq!(own["readOnlyRootFilesystem"], true, "{what}");
        assert_eq!(own["allowPrivilegeEscalation"], false, "{what}");
        assert_eq!(own["capabilities"]["drop"][0], "ALL", "{what}");
        assert!(
            container["resources"]["limits"]["memory"].is_string(),
            "{what}"
        );
        assert!(
            container["resources"]["requests"]["cpu"].is_string(),
            "{what}"
        );
    }
}

#[test]
fn kubernetes_gives_each_copy_its_instance_its_probes_and_few_rights() {
    let set = document("deploy/kubernetes/statefulset.yaml");
    assert!(set["spec"]["replicas"].as_u64() >= Some(2));
    let pod = &set["spec"]["template"]["spec"];
    assert_locked(pod, "the copies");
    let worker = &pod["containers"][0];
    let instance = &worker["env"][0];
    assert_eq!(instance["name"], "SURGEWATCH__KAFKA__INSTANCE");
    assert_eq!(
        instance["valueFrom"]["fieldRef"]["fieldPath"],
        "metadata.name"
    );
    assert_eq!(worker["livenessProbe"]["httpGet"]["path"], "/livez");
    assert_eq!(worker["readinessProbe"]["httpGet"]["path"], "/readyz");
    assert_eq!(pod["initContainers"][0]["args"][0], "validate");
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&set["spec"]["selector"]["matchLabels"], labels);
    let budget = document("deploy/kubernetes/poddisruptionbudget.yaml");
    assert_eq!(&budget["spec"]["selector"]["matchLabels"], labels);
    let topics = document("deploy/kubernetes/topics.yaml");
    assert_locked(&topics["spec"]["template"]["spec"], "the job");
    let policy = document("deploy/kubernetes/networkpolicy.yaml");
    assert_eq!(
        policy["spec"]["policyTypes"].as_sequence().map(Vec::len),
        Some(2)
    );
}

/// What of a kustomization is used here; a word that is not known is refused, as `kubectl kustomize` does.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Kustomization {
    api_version: String,
    kind: String,
    namespace: String,
    resources: Vec<String>,
    config_map_generator: Vec<ConfigMap>,
    labels: Vec<CommonLabels>,
    images: Vec<Image>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigMap {
    name: String,
    files: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CommonLabels {
    include_templates: bool,
    pairs: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Image {
    name: String,
    new_name: String,
    new_tag: String,
}

#[test]
fn the_kustomization_names_every_manifest_and_all_that_they_ask_for() {
    let read = text("deploy/kubernetes/kustomization.yaml");
    let read: Kustomization = serde_yaml_ng::from_str(&read).expect("a kustomization");
    assert_eq!(read.api_version, "kustomize.config.k8s.io/v1beta1");
    assert_eq!(read.kind, "Kustomization");
    let mut listed = read.resources.clone();
    listed.push("kustomization.yaml".into());
    listed.sort();
    let there = crate::files("deploy/kubernetes", "yaml").into_iter();
    let there: Vec<String> = there.map(|(name, _)| name).collect();
    assert_eq!(listed, there);
    let mut manifests = String::new();
    for file in &read.resources {
        let file = format!("deploy/kubernetes/{file}");
        manifests += &text(&file);
        for resource in documents(&file) {
            assert_ne!(
                resource["kind"], "Secret",
                "{file}: secrets are not kept here"
            );
            let is_namespace = resource["kind"] == "Namespace";
            assert!(!is_namespace || resource["metadata"]["name"] == read.namespace.as_str());
        }
    }
    for map in &read.config_map_generator {
        assert!(manifests.contains(&format!("configMap: {{name: {}}}", map.name)));
        for file in &map.files {
            assert!(path("deploy/kubernetes").join(file).exists(), "{file}");
        }
    }
    for image in &read.images {
        assert!(manifests.contains(&format!("image: {}\n", image.name)));
        assert!(!image.new_name.is_empty() && image.new_tag != "latest");
    }
    // Without the templates the policy's selector would find no pod.
    let common = &read.labels[0];
    assert!(common.include_templates);
    let policy = document("deploy/kubernetes/networkpolicy.yaml");
    let selected = policy["spec"]["podSelector"]["matchLabels"].as_mapping();
    for (label, value) in selected.expect("labels") {
        let label = label.as_str().expect("a name");
        assert_eq!(common.pairs.get(label).map(String::as_str), value.as_str());
    }
}

#[test]
fn the_image_and_the_unit_run_without_rights_and_the_unit_validates_first() {
    let image = text("deploy/Dockerfile");
    let last = image.rsplit("\nFROM ").next().expect("a stage");
    assert!(
        last.contains("\nUSER 65532:65532\n") && last.contains(":nonroot"),
        "{last}"
    );
    let rust = format!("FROM rust:{}", "1.");
    let version = image
        .split(&rust)
        .nth(1)
        .and_then(|rest| rest.split('-').next());
    let version: u32 = version
        .and_then(|v| v.parse().ok())
        .expect("a version of Rust");
    assert!(version >= 89, "Cargo.toml asks for Rust 1.89");
    let unit = text("deploy/systemd/surgewatch.service");
    for line in [
        "ExecStartPre=/usr/local/bin/surgewatch validate --config /etc/surgewatch/surgewatch.toml",
        "ExecStart=/usr/local/bin/surgewatch run --config /etc/surgewatch/surgewatch.toml",
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "RestartPreventExitStatus=64 65 77 78",
    ] {
        assert!(unit.lines().any(|l| l == line), "{line}");
    }
}
