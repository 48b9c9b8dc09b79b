//! Owns the live page: the border as a strip of crossings, its open alerts and incidents, kept current while somebody looks.
//!
//! The page shows what the output topics say and nothing else, so it is the same at every copy of the daemon, shows all
//! crossings and not only those of one copy, and costs nothing until it is first opened.

mod card;
mod feed;
mod model;
mod routes;
mod view;

pub use feed::{Topics, Watch};
pub use model::Model;
pub use routes::routes;
