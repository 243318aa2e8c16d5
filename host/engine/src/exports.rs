//! What a policy exports: found once in its component, called in its instances.

use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, TypedFunc,
};
use wasmtime::{Error, Result, Store};

use crate::bindings::{Action, Answer, Day, Occasion, Proposal, Purpose};
use crate::contract::{CONFIGURATION, World, full_name};
use crate::host::Host;
use crate::refusal::Refusal;

/// Where the functions of a policy lie in its component.
#[derive(Clone, Copy, Debug)]
pub struct Exports {
    world: World,
    configure: ComponentExportIndex,
    answer: ComponentExportIndex,
}

/// What a policy says to its parameters: nothing, or the words with which it refuses them.
pub type Configured = std::result::Result<(), String>;

impl Exports {
    /// Finds the functions of a world.
    ///
    /// # Errors
    ///
    /// If the component does not export them.
    pub fn find(component: &Component, world: World) -> Result<Self> {
        let index = |(interface, function): (&str, &str)| {
            let instance = component.get_export_index(None, full_name(interface));
            let function =
                instance.and_then(|instance| component.get_export_index(Some(&instance), function));
            function.ok_or_else(|| Error::msg(format!("{interface} is not exported")))
        };
        Ok(Self { world, configure: index(CONFIGURATION)?, answer: index(world.answers())? })
    }

    /// Checks that the functions have the types of the contract.
    ///
    /// # Errors
    ///
    /// With the first type that differs.
    fn check_types(&self, store: &mut Store<Host>, instance: &Instance) -> Result<()> {
        self.configuring(store, instance)?;
        match self.world {
            World::Earning => {
                self.answering::<(&Occasion<'_>, Day, u64), Proposal>(store, instance).map(drop)
            }
            World::Redemption => {
                self.answering::<(&Purpose<'_>, Day, Option<u64>), Answer>(store, instance).map(drop)
            }
            World::Campaign => self.answering::<(Day,), Vec<Action>>(store, instance).map(drop),
        }
    }

    /// Sees that a new instance has the types of the contract and takes its parameters, with so much fuel.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub fn start(
        &self,
        store: &mut Store<Host>,
        instance: &Instance,
        parameters: &str,
        fuel: u64,
    ) -> std::result::Result<(), Refusal> {
        self.check_types(store, instance).map_err(|error| Refusal::wrong_types(&error))?;
        let configured = self.configure(store, instance, parameters);
        let configured = configured.map_err(|error| Refusal::failed(&error, fuel))?;
        configured.map_err(|message| Refusal::of_parameters(&message))
    }

    /// Hands a policy its parameters.
    ///
    /// # Errors
    ///
    /// If the call fails.
    pub(crate) fn configure(
        &self,
        store: &mut Store<Host>,
        instance: &Instance,
        parameters: &str,
    ) -> Result<Configured> {
        let (configured,) = self.configuring(store, instance)?.call(store, (parameters,))?;
        Ok(configured)
    }

    /// Asks a policy the question of its world.
    ///
    /// # Errors
    ///
    /// If the call fails, or this is the question of another world.
    pub(crate) fn ask<Q, A>(&self, store: &mut Store<Host>, instance: &Instance, question: Q) -> Result<A>
    where
        Q: ComponentNamedList + Lower,
        A: Lift + 'static,
    {
        let (answer,) = self.answering::<Q, A>(store, instance)?.call(store, question)?;
        Ok(answer)
    }

    fn configuring<'p>(
        &self,
        store: &mut Store<Host>,
        instance: &Instance,
    ) -> Result<TypedFunc<(&'p str,), (Configured,)>> {
        instance.get_typed_func(store, self.configure)
    }

    fn answering<Q, A>(&self, store: &mut Store<Host>, instance: &Instance) -> Result<TypedFunc<Q, (A,)>>
    where
        Q: ComponentNamedList + Lower,
        A: Lift + 'static,
    {
        instance.get_typed_func(store, self.answer)
    }
}
