//! Owns what is seen of more than one crossing: flow that moves from one to another, and the incidents that alerts belong to.

pub mod displacement;
pub mod incident;
pub mod scan;
