//! Owns the map of the wire: bytes to and from the core's types. The only users of JSON for records.

mod cloudevents;
pub mod decode;
#[cfg(test)]
mod decode_tests;
pub mod encode;
mod fields;
pub mod incident;
pub mod notice;
pub mod sentence;
