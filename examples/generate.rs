//! Writes `completions/` and `man/` from the command line's definition: `cargo run --example generate`.

fn main() -> std::io::Result<()> {
    trail::cli::write_completions_and_man(std::path::Path::new(env!("CARGO_MANIFEST_DIR")))
}
