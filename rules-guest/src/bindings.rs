//! What `wit/` says, as Rust. The rest of the crate is written in these types, natively as well as in a component.

wit_bindgen::generate!({
    path: "../wit",
    world: "earning-policy",
    pub_export_macro: true,
    export_macro_name: "export_earning_policy",
    default_bindings_module: "rules_guest::bindings",
    additional_derives: [PartialEq, Eq],
});
