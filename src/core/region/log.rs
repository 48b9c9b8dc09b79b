//! Owns the region's log: what the crossings' stage hands on, one versioned binary record for each output and each mark.
//!
//! Crossings and streams are named, so that a record outlives a change of the list of crossings.

use crate::core::ids::Partition;
use crate::core::network::Network;
use crate::core::output::Output;
use crate::core::snapshot::{self, SnapshotError};
use crate::core::time::EventTime;
use serde::{Deserialize, Serialize};

/// How far a partition of the arrivals was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Which.
    pub partition: Partition,
    /// Its watermark while records wait in it to be read; none once it was read to its end.
    pub behind: Option<EventTime>,
}

/// An output on its way to the region.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Its key on the alert topics; none of a count.
    pub key: Option<String>,
    /// The output.
    pub output: Output,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Something came out of the crossings' stage.
    Sent(Box<Sent>),
    /// A partition was read so far.
    Mark(Mark),
    /// An output of a crossing or stream that is watched no more.
    Elsewhere,
}

#[derive(Serialize, Deserialize)]
enum Body {
    Output {
        key: Option<String>,
        crossing: String,
        stream: Option<String>,
        output: Box<Output>,
    },
    Mark(Mark),
}

/// Writes an output.
#[must_use]
pub fn output(network: &Network, key: Option<&str>, output: &Output) -> Vec<u8> {
    let stream = output.stream();
    bytes(&Body::Output {
        key: key.map(str::to_owned),
        crossing: network.crossing(output.crossing()).id.clone(),
        stream: stream.map(|stream| network.stream(stream).to_owned()),
        output: Box::new(output.clone()),
    })
}

/// Writes a mark.
#[must_use]
pub fn mark(mark: Mark) -> Vec<u8> {
    bytes(&Body::Mark(mark))
}

/// Reads an entry back.
///
/// # Errors
/// [`SnapshotError`] when it is damaged or of another version; `name` says which record it was.
pub fn entry(network: &Network, name: &str, value: &[u8]) -> Result<Entry, SnapshotError> {
    let (key, crossing, stream, output) = match snapshot::read(name, value)? {
        Body::Mark(mark) => return Ok(Entry::Mark(mark)),
        Body::Output {
            key,
            crossing,
            stream,
            output,
        } => (key, crossing, stream, output),
    };
    let Some(crossing) = network.crossing_ix(&crossing) else {
        return Ok(Entry::Elsewhere);
    };
    let of = stream.as_deref().map(|stream| network.stream_ix(stream));
    Ok(match of {
        Some(None) => Entry::Elsewhere,
        of => Entry::Sent(Box::new(Sent {
            key,
            output: output.placed(crossing, of.flatten()),
        })),
    })
}

fn bytes(body: &Body) -> Vec<u8> {
    snapshot::written(String::new(), body)
        .value
        .unwrap_or_default()
}
