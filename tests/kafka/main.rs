//! Owns the suite against real Apache Kafka, started by `tests/kafka/run`; the letters before the modules set the order
//! in which they run: the probe of the broker first, then what must be refused, the figures last.

mod daemon;
mod measure;
mod outcome;
mod process;
mod recomputed;
mod rig;
mod scene;

#[path = "probe.rs"]
mod a_probe;
#[path = "failures.rs"]
mod b_failures;
#[path = "poison.rs"]
mod b_poison;
#[path = "chaos.rs"]
mod c_chaos;
#[path = "finland.rs"]
mod d_finland;
#[path = "incidents.rs"]
mod e_incidents;
#[path = "explain.rs"]
mod f_explain;
#[path = "routes.rs"]
mod f_routes;
#[path = "throughput.rs"]
mod z_throughput;
