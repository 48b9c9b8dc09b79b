//! Owns what is usual: seasons, the Poisson dynamic GLM that follows them, and its negative binomial forecast; it judges nothing.
//!
//! West, Harrison & Migon (1985), "Dynamic generalized linear models and Bayesian forecasting", JASA 80; West & Harrison (1997),
//! "Bayesian Forecasting and Dynamic Models", ch. 14.

pub mod filter;
pub mod forecast;
pub mod negbin;
pub mod season;
pub mod special;
