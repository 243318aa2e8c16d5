//! Compiles the crate anew where a file of a template is new or gone. What is in the files, the compiler sees itself.

fn main() {
    for folder in ["policies", "rules-guest", "wit"] {
        println!("cargo::rerun-if-changed=../../{folder}");
    }
}
