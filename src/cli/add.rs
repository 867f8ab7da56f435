//! stub
#[derive(Debug, clap::Args)] pub(crate) struct Args {}
#[derive(Debug, thiserror::Error)] #[error("x")] pub(crate) struct Unreachable;
pub(crate) fn run(_: &super::Context, _: &Args, _: &mut super::output::Out) -> anyhow::Result<super::Exit> { Ok(super::Exit::Done) }
