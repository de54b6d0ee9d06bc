//! Writes what is made from the code (`completions/`, `man/`, `docs/formats.md`):
//! `cargo run --example generate`.

fn main() -> std::io::Result<()> {
    let project = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    trail::cli::write_completions_and_man(project)?;
    std::fs::write(
        project.join("docs/formats.md"),
        trail::normalise::formats::page(),
    )
}
