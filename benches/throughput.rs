//! placeholder that is replaced in a later step of the same change
fn main() {}
