//! New projects.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use include_dir::{Dir, DirEntry, include_dir};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

static POLICIES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../policies");
static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../rules-guest");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");
const WORKSPACE: &str = include_str!("../../../Cargo.toml");
/// The versions that the stock policies are built of.
const LOCK: &str = include_str!("../../../Cargo.lock");
const CARGO_CONFIG: &str = include_str!("../../../.cargo/config.toml");
const LICENSE: &str = include_str!("../../../LICENSE");

/// Where a project has the SDK.
const SDK_FOLDER: &str = "sdk/rules-guest";
/// Dependencies that the native tests run much through.
const OPTIMISED: [&str; 3] = ["chacha20", "proptest", "serde_json"];
/// Names that a crate cannot have beside its dependencies, the standard library, its own test and the words of the language.
const TAKEN: [&str; 59] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "cases",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "rules-guest",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Returns the names of the stock policies.
pub fn stock() -> Vec<&'static str> {
    let names = POLICIES.dirs().filter_map(|folder| folder.path().to_str());
    names.filter(|name| POLICIES.contains(Path::new(name).join("Cargo.toml"))).collect()
}

/// Makes a project of a new policy from a stock one: its code, description, cases and promises, with the SDK and the contract
/// beside them.
///
/// # Errors
///
/// If the name can be none, there is no such stock policy, or the folder has something in it.
pub fn create(folder: &Path, name: &str, from: &str) -> Result<()> {
    check_name(name)?;
    let Some(policy) = POLICIES.get_dir(from).filter(|_| stock().contains(&from)) else {
        bail!("there is no stock policy {from:?}; there are {}", stock().join(", "));
    };
    let is_empty = |folder: &Path| folder.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    ensure!(
        !folder.exists() || is_empty(folder),
        "{} is there already; name a folder that is empty or new",
        folder.display()
    );
    let project = Project { folder, name, from };
    let workspace: DocumentMut = WORKSPACE.parse().context("read the manifest of the stock policies")?;
    project.write("Cargo.toml", &project.manifest(text(policy, "Cargo.toml")?, &workspace)?)?;
    project.write("Cargo.lock", LOCK)?;
    let config: DocumentMut = CARGO_CONFIG.parse().context("read the configuration of cargo")?;
    project.write(".cargo/config.toml", &without(config, &["alias"]))?;
    project.write(".gitignore", "/target\n")?;
    project.write("README.md", &project.readme(text(policy, "README.md")?))?;
    let described = text(policy, "policy.toml")?;
    project.write(
        "policy.toml",
        &described.replacen(&format!("name = \"{from}\""), &format!("name = \"{name}\""), 1),
    )?;
    let test = text(policy, "tests/cases.rs")?;
    let (crate_before, crate_now) = (from.replace('-', "_"), name.replace('-', "_"));
    project
        .write("tests/cases.rs", &test.replace(&format!("{crate_before}::"), &format!("{crate_now}::")))?;
    project.copy(policy, "src", "src")?;
    project.copy(policy, "cases", "cases")?;
    project.write(&format!("{SDK_FOLDER}/Cargo.toml"), &sdk_manifest(&workspace)?)?;
    project.write("sdk/LICENSE", LICENSE)?;
    project.copy(&SDK, "src", &format!("{SDK_FOLDER}/src"))?;
    project.copy(&WIT, "", "sdk/wit")
}

fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    ensure!(
        begins && name.chars().all(fits) && !name.ends_with('-'),
        "{name:?} cannot be a policy's name; write small letters, digits and hyphens, such as market-day"
    );
    ensure!(
        !TAKEN.contains(&name),
        "{name:?} is a word of the language or of what a policy is built of; add one to it"
    );
    Ok(())
}

/// A project to be.
struct Project<'a> {
    folder: &'a Path,
    name: &'a str,
    from: &'a str,
}

impl Project<'_> {
    fn write(&self, path: &str, text: &str) -> Result<()> {
        let file = self.folder.join(path);
        fs::create_dir_all(file.parent().unwrap_or(self.folder))
            .and_then(|()| fs::write(&file, text))
            .with_context(|| format!("write {}", file.display()))
    }

    /// Copies what is in a folder of a template.
    fn copy(&self, template: &Dir<'_>, from: &str, to: &str) -> Result<()> {
        let folder =
            if from.is_empty() { Some(template) } else { template.get_dir(template.path().join(from)) };
        for entry in folder.map(Dir::entries).unwrap_or_default() {
            let name = entry.path().file_name().unwrap_or_default().to_string_lossy();
            let to = format!("{to}/{name}");
            match entry {
                DirEntry::Dir(folder) => self.copy(folder, "", &to)?,
                DirEntry::File(file) => {
                    self.write(&to, file.contents_utf8().context("a template is text")?)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the manifest of a stock policy as that of a workspace of its own.
    fn manifest(&self, stock: &str, workspace: &DocumentMut) -> Result<String> {
        let mut manifest = standalone(stock, workspace)?;
        manifest["package"]["name"] = self.name.into();
        manifest["package"].as_table_like_mut().context("there is a package")?.remove("license");
        let sdk = manifest["dependencies"]["rules-guest"].as_inline_table_mut();
        sdk.context("the SDK is a dependency")?.insert("path", SDK_FOLDER.into());
        manifest["workspace"] = Item::Table(Table::new());
        let mut profiles = Table::new();
        profiles.set_implicit(true);
        profiles.insert("policy", workspace["profile"]["policy"].clone());
        let mut packages = Table::new();
        for (name, settings) in workspace["profile"]["dev"]["package"].as_table().into_iter().flatten() {
            if OPTIMISED.contains(&name) {
                packages.insert(name, settings.clone());
            }
        }
        let mut dev = Table::new();
        dev.set_implicit(true);
        dev.insert("package", Item::Table(packages));
        profiles.insert("dev", Item::Table(dev));
        manifest["profile"] = Item::Table(profiles);
        Ok(manifest.to_string())
    }

    /// Returns what its author reads first. How it is deployed is the example of the stock policy.
    fn readme(&self, stock: &str) -> String {
        let Self { name, from, .. } = self;
        let example = stock.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```"));
        let example = example.map_or("", |(example, _)| example);
        let example = example.replace(&format!("policy = \"{from}\""), &format!("policy = \"{name}\""));
        format!(
            "# {name}\n\n\
             A Jifen policy, made from the stock policy `{from}`. 由现成规则 `{from}` 新建的积分规则。\n\n\
             ```sh\n\
             cargo test     # cases, promises and fairness, natively 本机测试\n\
             jifen build    # makes target/policies/{name}.wasm 构建组件\n\
             jifen test .   # the same cases in the component 在组件中测试\n\
             jifen check target/policies/{name}.wasm   # contract, bounds, what it may ask 检查\n\
             ```\n\n\
             `src/lib.rs` is the rule, `policy.toml` its words, parameters and promises, `cases/` what it answers to examples;\n\
             `jifen test . --bless` writes what it answers into them. `sdk/` is Jifen's and stays as it is.\n\n\
             It is deployed by a program 部署:\n\n\
             ```toml\n{example}```\n"
        )
    }
}

/// Returns the SDK's manifest by itself; its tests stay where they are.
fn sdk_manifest(workspace: &DocumentMut) -> Result<String> {
    Ok(without(standalone(text(&SDK, "Cargo.toml")?, workspace)?, &["dev-dependencies"]))
}

fn without(mut document: DocumentMut, keys: &[&str]) -> String {
    for key in keys {
        document.remove(key);
    }
    document.to_string()
}

fn text<'t>(template: &'t Dir<'_>, path: &str) -> Result<&'t str> {
    let file = template.get_file(template.path().join(path));
    file.and_then(|file| file.contents_utf8()).with_context(|| format!("find {path} of a template"))
}

/// Returns a member's manifest with what it inherits from its workspace written out.
fn standalone(member: &str, workspace: &DocumentMut) -> Result<DocumentMut> {
    let mut manifest: DocumentMut = member.parse().context("read a manifest")?;
    manifest.remove("lints");
    let inherited = workspace["workspace"].as_table().context("it is a workspace")?;
    let package = manifest["package"].as_table_like_mut().context("it is a package")?;
    inherit(package, &inherited["package"]);
    let dependencies = &inherited["dependencies"];
    if let Some(own) = manifest.get_mut("dependencies").and_then(Item::as_table_like_mut) {
        inherit(own, dependencies);
    }
    for (_, target) in
        manifest.get_mut("target").and_then(Item::as_table_like_mut).into_iter().flat_map(|it| it.iter_mut())
    {
        if let Some(own) = target.get_mut("dependencies").and_then(Item::as_table_like_mut) {
            inherit(own, dependencies);
        }
    }
    Ok(manifest)
}

/// Writes out what a table inherits: `key.workspace = true`, with what else is said of it.
fn inherit(table: &mut dyn TableLike, from: &Item) {
    for (key, item) in table.iter_mut() {
        let Some(own) = item.as_table_like().filter(|own| own.contains_key("workspace")) else { continue };
        let Some(inherited) = from.get(key.get()).and_then(Item::as_value) else { continue };
        let said: Vec<_> = own.iter().filter(|(name, _)| *name != "workspace").collect();
        if said.is_empty() {
            *item = inherited.clone().decorated(" ", "").into();
            continue;
        }
        let only_version = || InlineTable::from_iter([("version", inherited.clone())]);
        let mut whole = inherited.as_inline_table().cloned().unwrap_or_else(only_version);
        for (name, value) in said {
            let Some(value) = value.as_value() else { continue };
            match (whole.get_mut(name), value) {
                (Some(Value::Array(features)), Value::Array(more)) => add(features, more),
                (_, value) => drop(whole.insert(name, value.clone())),
            }
        }
        whole.fmt();
        *item = Value::InlineTable(whole).into();
    }
}

/// Adds what a list does not have yet.
fn add(list: &mut Array, more: &Array) {
    for value in more {
        let known = list.iter().any(|known| known.as_str() == value.as_str());
        if !known {
            list.push_formatted(value.clone());
        }
    }
    list.fmt();
}
