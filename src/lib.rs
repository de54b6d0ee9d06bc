//! `trail`: from the exported logs of everything an AI agent touched to one sourced timeline, a
//! verdict and a report.
//!
//! One module a stage, data goes one way: [`read`] → [`normalise`] → [`store`] → [`stitch`] →
//! [`check`] → [`tell`]. [`ingest`] drives the first three; [`cli`] is a thin layer on top. See
//! `docs/architecture.md`.

pub mod access;
pub mod attest;
pub mod check;
pub mod cli;
pub mod config;
pub mod gate;
pub mod ingest;
pub mod model;
pub mod normalise;
pub mod protect;
pub mod read;
pub mod seal;
pub mod stitch;
pub mod store;
pub mod tell;
