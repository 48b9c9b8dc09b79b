//! Owns the map of the wire: bytes to and from the core's types. The only users of JSON for records.

pub mod asyncapi;
mod cloudevents;
pub mod decode;
#[cfg(test)]
mod decode_tests;
pub mod encode;
mod ending;
pub mod episode;
pub mod events;
pub mod feedback;
mod fields;
pub mod incident;
pub mod moving;
pub mod notes;
pub mod notice;
pub mod region;
pub mod schema;
pub mod sentence;
