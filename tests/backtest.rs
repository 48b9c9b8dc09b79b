//! Owns the backtest seen from outside: the binary on simulated counts, plain and gzipped, by date and by number, on one thread
//! and on two, and what it says of files it cannot use.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TRUTH: &str = "tests/data/simulated_daily_truth.csv";
const DAILY: &str = "tests/data/simulated_daily.csv";
const NUMBERED: &str = "tests/data/simulated_numbered.csv";

fn backtest(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_surgewatch"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["backtest", "--lens", "day", "--budget", "0.5"])
        .args(args)
        .output()
        .expect("the binary starts")
}

/// What a run printed, and the files of results it wrote.
fn run(folder: &Path, args: &[&str]) -> [String; 3] {
    let outputs = ["results.csv", "drops.csv"].map(|name| folder.join(name));
    let [results, drops] = outputs.each_ref().map(|path| path.to_string_lossy());
    let output = backtest(&[args, &["--results", &results, "--drops", &drops]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    let [results, drops] = outputs.map(|path| std::fs::read_to_string(path).expect("was written"));
    let table = String::from_utf8(output.stdout).expect("text");
    [table, results, drops]
}

fn gzipped(folder: &Path, file: &str) -> PathBuf {
    let path = folder.join("counts");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let plain = std::fs::read(root.join(file)).expect("the counts are there");
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(&plain).expect("memory can be written");
    std::fs::write(&path, gz.finish().expect("memory can be written")).expect("a free folder");
    path
}

#[test]
fn output_is_the_same_whatever_the_threads_the_packing_and_the_layout() {
    let folder = tempfile::tempdir().expect("a free folder");
    let at = folder.path();
    let by_truth = run(at, &[DAILY, "--truth", TRUTH, "--threads", "1"]);
    assert_eq!(
        run(at, &[DAILY, "--truth", TRUTH, "--threads", "2"]),
        by_truth
    );
    let gz = gzipped(at, DAILY);
    assert_eq!(
        run(at, &[&gz.to_string_lossy(), "--truth", TRUTH]),
        by_truth
    );
    let numbered = run(at, &[NUMBERED]);
    assert_eq!(
        numbered[1..],
        by_truth[1..],
        "a Monday and first of January is bucket 1"
    );
}

#[test]
fn results_have_a_row_for_each_bucket_in_input_order() {
    let folder = tempfile::tempdir().expect("a free folder");
    let [_, results, drops] = run(folder.path(), &[DAILY]);
    for text in [results, drops] {
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("series_id,t,alarm,score"));
        for name in ["quiet", "busy", "surge", "drop"] {
            for t in 1..=500 {
                let line = lines.next().expect("a row for each bucket");
                let rest = line.strip_prefix(&format!("simulated-{name},{t},"));
                let (alarm, score) = rest.and_then(|r| r.split_once(',')).expect(line);
                assert!(matches!(alarm, "0" | "1"), "{line}");
                assert!(score.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            }
        }
        assert_eq!(lines.next(), None);
    }
}

#[test]
fn the_table_tells_rates_by_stratum_and_detections() {
    let folder = tempfile::tempdir().expect("a free folder");
    let [table, ..] = run(folder.path(), &[DAILY, "--truth", TRUTH]);
    assert!(table.starts_with("4 series, 2000 buckets\n"), "{table}");
    let row = |of: &str, head: &str| -> Vec<String> {
        let mut lines = of.lines().filter(|line| line.starts_with(head));
        let line = lines.next().unwrap_or_else(|| panic!("no {head} in {of}"));
        line.split_whitespace().map(str::to_owned).collect()
    };
    // Two controls of 135 days each: nothing may alarm in nine months.
    assert_eq!(
        row(&table, "false alerts in 0.7 series-years")[5..],
        ["0", "0", "0"]
    );
    assert_eq!(
        row(&table, "promised at most")[3..],
        ["0.375", "0.125", "0.500"]
    );
    assert_eq!(row(&table, "1  ")[1], "1");
    assert_eq!(row(&table, "surge  ")[1..5], ["3", "1", "100.0", "%"]);
    assert_eq!(row(&table, "drop  ")[1..5], ["0.2", "1", "100.0", "%"]);
    let [labelled, ..] = run(folder.path(), &[NUMBERED]);
    assert_eq!(row(&labelled, "surge  ")[1..4], ["1", "100.0", "%"]);
    assert_eq!(row(&labelled, "surge  ")[4], row(&table, "surge  ")[5]);
}

#[test]
fn a_folder_of_weeks_and_days_is_judged_by_one_command() {
    let folder = tempfile::tempdir().expect("a free folder");
    let at = folder.path();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let counts = gzipped(at, NUMBERED);
    for name in ["weekly", "daily"] {
        let truth = at.join(format!("{name}_truth.csv"));
        std::fs::copy(&counts, at.join(format!("{name}.csv.gz"))).expect("a free folder");
        std::fs::copy(root.join(TRUTH), truth).expect("a free folder");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_surgewatch"))
        .args(["backtest", "--budget", "0.5", "--bench"])
        .arg(at)
        .output()
        .expect("the binary starts");
    let said = String::from_utf8(output.stdout).expect("text");
    let both = said.split_once("\ndaily.csv.gz\n");
    let (weekly, daily) = both.unwrap_or_else(|| panic!("no days in {said}"));
    assert!(weekly.starts_with("weekly.csv.gz\n4 series, 2000 buckets\n"));
    assert!(
        weekly.contains("1.0 % of control buckets alarm"),
        "{weekly}"
    );
    let [alone, ..] = run(at, &[NUMBERED, "--truth", TRUTH]);
    assert_eq!(daily.trim_end(), alone.trim_end());
}

#[test]
fn files_that_cannot_be_used_are_told_with_line_column_and_value() {
    let folder = tempfile::tempdir().expect("a free folder");
    let path = folder.path().join("bad.csv");
    let text = "series,date,count\na,2024-01-01,3\na,2024-01-02,three\na,02/01/2024,3\n";
    std::fs::write(&path, text).expect("a free folder");
    let output = backtest(&[&path.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(65));
    let said = String::from_utf8_lossy(&output.stderr);
    let wanted = [
        "surgewatch: the counts cannot be used, 2 problems:\n".to_owned(),
        format!(
            "{} line 3, column count: \"three\" is no whole number from 0",
            path.display()
        ),
        format!(
            "{} line 4, column date: \"02/01/2024\" is no date or time; write",
            path.display()
        ),
    ];
    for part in wanted {
        assert!(said.contains(&part), "no `{part}` in\n{said}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn what_cannot_be_opened_or_was_asked_wrongly_has_its_exit_code() {
    let code = |args: &[&str]| backtest(args).status.code();
    assert_eq!(code(&["no/such.csv"]), Some(74));
    assert_eq!(code(&[DAILY, "--results", "no/such/out.csv"]), Some(74));
    assert_eq!(code(&[DAILY, "--truth", DAILY]), Some(65));
    assert_eq!(code(&[DAILY, "--budget", "0"]), Some(64), "given twice");
    assert_eq!(code(&[]), Some(64));
}
