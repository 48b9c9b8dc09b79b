//! Owns the report: what a replay or a file of counts came to, as one HTML page with a plot for each series.
//!
//! Pure: the caller reads files, hands in a machine or a lens, and writes the page. The same input gives the same bytes.

mod card;
mod counts;
mod course;
mod episode;
mod incidents;
mod markup;
mod model;
mod page;
mod plot;
mod scale;
mod shapes;
mod small;

pub use card::alert_card;
pub use counts::{Look, look, series};
pub use episode::{EpisodeError, episode};
pub use incidents::Incidents;
pub use model::{Alert, Band, Bucket, Incident, Report, Series, Shade, ShadeKind, lens_name};
pub use page::{PLOT_STYLE, page};
