//! Checks the filter and what its counts say against `data/reference_filter.csv`: three weekly series run through an independent
//! implementation of the design, without the robust step.
//!
//! The reference adds up the likelihood ratio of every count by itself. What a state keeps never falls with the count
//! ([`Outlook::log_evidence_rise`](surgewatch::core::lens::Outlook::log_evidence_rise)), and so is another number below the mean.

use surgewatch::core::baseline::filter::dispersion_prior;
use surgewatch::core::evidence::shiryaev_roberts::ShiryaevRoberts;
use surgewatch::core::lens::{Lens, LensParams, LensState, Matching, Prior, Slot};

struct Row {
    count: u64,
    mean: f64,
    variance: f64,
    p_upper: f64,
    log_evidence: f64,
}

/// The CSV prints 10 digits. At dispersion 1.001 the moments of the update are differences of nearly equal numbers, so
/// implementations drift apart by some parts in a million.
const TOLERANCE: f64 = 5e-6;

#[test]
fn agrees_with_the_reference() {
    for (name, rows) in series() {
        let mut params = LensParams::for_lens(Lens::Week);
        params.robust = false;
        params.settle_in = 0;
        params.learn_whole = 0;
        params.rises = vec![1.3, 1.6, 2.0, 3.0, 5.0, 10.0];
        params.guard_band_ratios = [0.0; 2];
        params.leak = 0.5;
        params.filter.discounts.level = 0.995;
        params.filter.prior_variance.annual = 0.2;
        params.filter.forgetting = 0.99;
        params.filter.ln_prior = dispersion_prior(12, 0.0);
        params.filter.matching = Matching::LogRate {
            max_log_variance: 25.0,
            rate_from_ratio: f64::INFINITY,
        };
        params.filter.prior_variance.slope = 1e-4;
        params.filter.max_variance.slope = 1e-2;
        let first: u64 = rows[..26].iter().map(|r| r.count).sum();
        let prior =
            Prior::new(first as f64 / 26.0 + 0.2, 1.0).expect("a mean and a variance in range");
        let mut state = LensState::new(&params, prior);
        let mut evidence = ShiryaevRoberts::default();
        for (t, row) in rows.iter().enumerate() {
            let slot = Slot::at(0.0, 0.0, (t % 52) as f64 / 52.0);
            let expected = state
                .outlook(&params, slot, 1.0)
                .expect("the bucket is exposed");
            let outlook = state
                .close(&params, slot, 1.0, row.count)
                .expect("the bucket is exposed");
            assert_eq!(
                expected, outlook,
                "{name} {t}: closing a bucket expects what its outlook said"
            );
            let (ratios, [leak, _]) = (outlook.said(row.count).rise, outlook.leaks());
            evidence = evidence
                .after(outlook.ln_rise_weights(), &ratios, leak)
                .kept();
            let checks = [
                ("mean", outlook.mean(), row.mean),
                ("variance", outlook.variance(), row.variance),
                (
                    "p_upper",
                    outlook.ln_upper_tail(row.count).exp(),
                    row.p_upper,
                ),
                ("log_evidence", evidence.ln_statistic(), row.log_evidence),
            ];
            for (what, got, want) in checks {
                let error = (got - want).abs() / want.abs().max(1e-3);
                assert!(
                    error < TOLERANCE,
                    "{name} row {}: {what} is {got}, the reference says {want}",
                    t + 1
                );
            }
        }
    }
}

fn series() -> Vec<(String, Vec<Row>)> {
    let mut all: Vec<(String, Vec<Row>)> = Vec::new();
    for line in include_str!("data/reference_filter.csv").lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |i: usize| cells[i].parse::<f64>().expect("a number");
        let row = Row {
            count: cells[2].parse().expect("a count"),
            mean: number(3),
            variance: number(4),
            p_upper: number(5),
            log_evidence: number(6),
        };
        match all.last_mut() {
            Some((name, rows)) if name == cells[0] => rows.push(row),
            _ => all.push((cells[0].to_owned(), vec![row])),
        }
    }
    assert_eq!(
        all.iter().map(|(_, rows)| rows.len()).collect::<Vec<_>>(),
        [624, 624, 624]
    );
    all
}
