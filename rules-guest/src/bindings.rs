//! What `wit/` says, as Rust. The rest of the crate is written in these types, natively as well as in a component.
//!
//! A policy's world is what it answers, [`self`], [`redemption`] or [`campaign`], and how it is [configured](configuration). They are
//! bound one by one, because each brings macros that export it, whose names may stand once in a crate; the component has
//! all of what was exported.

wit_bindgen::generate!({
    path: "../wit",
    inline: "
        package jifen:guest;
        world earning {
            include jifen:policy/surroundings@0.1.0;
            export jifen:policy/earning@0.1.0;
        }
    ",
    world: "jifen:guest/earning",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_earning",
    default_bindings_module: "rules_guest::bindings",
    additional_derives: [PartialEq, Eq],
});

/// How a policy takes its parameters.
pub mod configuration {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package jifen:guest;
            world configured {
                export jifen:policy/configuration@0.1.0;
            }
        ",
        world: "jifen:guest/configured",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_configuration",
        default_bindings_module: "rules_guest::bindings::configuration",
    });
}

/// What a redemption policy answers, in the same types.
pub mod redemption {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package jifen:guest;
            world redemption {
                include jifen:policy/surroundings@0.1.0;
                export jifen:policy/redemption@0.1.0;
            }
        ",
        world: "jifen:guest/redemption",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_redemption",
        default_bindings_module: "rules_guest::bindings::redemption",
        additional_derives: [PartialEq, Eq],
        with: {
            "jifen:policy/types@0.1.0": crate::bindings::jifen::policy::types,
            "jifen:policy/purchases@0.1.0": crate::bindings::jifen::policy::purchases,
            "jifen:policy/awards@0.1.0": crate::bindings::jifen::policy::awards,
            "jifen:policy/balance@0.1.0": crate::bindings::jifen::policy::balance,
            "jifen:policy/membership@0.1.0": crate::bindings::jifen::policy::membership,
            "jifen:policy/referral@0.1.0": crate::bindings::jifen::policy::referral,
            "jifen:policy/birthday@0.1.0": crate::bindings::jifen::policy::birthday,
            "jifen:policy/expiring@0.1.0": crate::bindings::jifen::policy::expiring,
            "jifen:policy/tier@0.1.0": crate::bindings::jifen::policy::tier,
            "jifen:policy/log@0.1.0": crate::bindings::jifen::policy::log,
        },
    });
}

/// What a campaign policy answers, in the same types.
pub mod campaign {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package jifen:guest;
            world campaign {
                include jifen:policy/surroundings@0.1.0;
                export jifen:policy/campaign@0.1.0;
            }
        ",
        world: "jifen:guest/campaign",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_campaign",
        default_bindings_module: "rules_guest::bindings::campaign",
        additional_derives: [PartialEq, Eq],
        with: {
            "jifen:policy/types@0.1.0": crate::bindings::jifen::policy::types,
            "jifen:policy/purchases@0.1.0": crate::bindings::jifen::policy::purchases,
            "jifen:policy/awards@0.1.0": crate::bindings::jifen::policy::awards,
            "jifen:policy/balance@0.1.0": crate::bindings::jifen::policy::balance,
            "jifen:policy/membership@0.1.0": crate::bindings::jifen::policy::membership,
            "jifen:policy/referral@0.1.0": crate::bindings::jifen::policy::referral,
            "jifen:policy/birthday@0.1.0": crate::bindings::jifen::policy::birthday,
            "jifen:policy/expiring@0.1.0": crate::bindings::jifen::policy::expiring,
            "jifen:policy/tier@0.1.0": crate::bindings::jifen::policy::tier,
            "jifen:policy/log@0.1.0": crate::bindings::jifen::policy::log,
        },
    });
}
