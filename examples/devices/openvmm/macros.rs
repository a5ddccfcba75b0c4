// SPDX-License-Identifier: MIT
//! Stand-ins for the macros of crates that OpenVMM's SMMU uses (bitfield-struct, zerocopy, inspect,
//! mesh, thiserror), as far as that model needs them: see README.md. No other crate is needed here.
use proc_macro::{Delimiter, TokenStream, TokenTree};

/// One field of a bit field: `bits` at `offset`.
struct Field {
    visibility: String,
    name: String,
    kind: String,
    bits: u32,
    offset: u32,
}

fn text_of(tokens: &[TokenTree]) -> String {
    tokens.iter().cloned().collect::<TokenStream>().to_string()
}

/// The parts between commas, of which none is within angle brackets here.
fn split_at_commas(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = vec![Vec::new()];
    for token in tokens {
        match &token {
            TokenTree::Punct(p) if p.as_char() == ',' => parts.push(Vec::new()),
            _ => parts.last_mut().expect("one at least").push(token),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// N of `#[bits(N)]`, if the attribute is one.
fn bits_of(attribute: &TokenTree) -> Option<u32> {
    let TokenTree::Group(group) = attribute else { return None };
    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
    match inner.as_slice() {
        [TokenTree::Ident(name), TokenTree::Group(number)] if name.to_string() == "bits" => {
            Some(number.stream().to_string().parse().expect("bits(NUMBER)"))
        }
        _ => None,
    }
}

fn width_of(kind: &str) -> u32 {
    match kind {
        "bool" => 1,
        "u8" => 8,
        "u16" => 16,
        "u32" => 32,
        "u64" => 64,
        _ => panic!("the field of type {kind} has no bits(N)"),
    }
}

fn field_of(tokens: &[TokenTree], offset: u32) -> Field {
    let mut at = 0;
    let mut bits = None;
    while matches!(&tokens[at], TokenTree::Punct(p) if p.as_char() == '#') {
        bits = bits.or(bits_of(&tokens[at + 1]));
        at += 2;
    }
    let colon = (at..tokens.len())
        .find(|&i| matches!(&tokens[i], TokenTree::Punct(p) if p.as_char() == ':'))
        .expect("name: type");
    let kind = text_of(&tokens[colon + 1..]).replace(' ', "");
    Field {
        visibility: text_of(&tokens[at..colon - 1]),
        name: tokens[colon - 1].to_string(),
        bits: bits.unwrap_or_else(|| width_of(&kind)),
        kind,
        offset,
    }
}

/// What reads a field and what writes one. Fields that begin with '_' are padding.
fn accessors(field: &Field, word: &str) -> String {
    let Field { visibility, name, kind, bits, offset } = field;
    if name.starts_with('_') {
        return String::new();
    }
    let mask = if *bits == 64 { "!0".to_string() } else { format!("((1u64 << {bits}) - 1)") };
    let (get, put) = match kind.as_str() {
        "bool" => ("value != 0".to_string(), "value as u64".to_string()),
        "u8" | "u16" | "u32" | "u64" => (format!("value as {kind}"), "value as u64".to_string()),
        _ => (format!("{kind}::from_bits(value as _)"), format!("{kind}::into_bits(value) as u64")),
    };
    let put_too = match kind.as_str() {
        "bool" | "u8" | "u16" | "u32" | "u64" => true,
        _ => visibility.contains("pub"),
    };
    let mut code = format!(
        "#[allow(dead_code)] {visibility} const fn {name}(&self) -> {kind} {{
             let value = (self.0 as u64 >> {offset}) & {mask};
             {get}
         }}"
    );
    if put_too {
        code += &format!(
            "#[allow(dead_code)] {visibility} const fn with_{name}(self, value: {kind}) -> Self {{
                 let kept = self.0 as u64 & !({mask} << {offset});
                 Self((kept | (({put}) & {mask}) << {offset}) as {word})
             }}
             #[allow(dead_code)] {visibility} fn set_{name}(&mut self, value: {kind}) {{
                 *self = self.with_{name}(value);
             }}"
        );
    }
    code
}

/// `#[bitfield(u64)] struct Name { … }`: a word with accessors of its fields, the lowest first.
#[proc_macro_attribute]
pub fn bitfield(word: TokenStream, item: TokenStream) -> TokenStream {
    let word = word.to_string();
    let tokens: Vec<TokenTree> = item.into_iter().collect();
    let at = tokens.iter().position(|t| t.to_string() == "struct").expect("a struct");
    let name = tokens[at + 1].to_string();
    let TokenTree::Group(body) = &tokens[at + 2] else { panic!("fields of {name}") };
    let mut fields: Vec<Field> = Vec::new();
    for part in split_at_commas(body.stream()) {
        let offset = fields.last().map_or(0, |last| last.offset + last.bits);
        fields.push(field_of(&part, offset));
    }
    let total = fields.last().map_or(0, |last| last.offset + last.bits);
    assert_eq!(total, width_of(&word), "bits of {name}");
    let attributes = text_of(&tokens[..at]);
    let methods: String = fields.iter().map(|f| accessors(f, &word)).collect();
    let shown: String = fields
        .iter()
        .filter(|f| !f.name.starts_with('_'))
        .map(|f| format!(".field(\"{0}\", &self.{0}())", f.name))
        .collect();
    format!(
        "#[derive(Copy, Clone)] #[repr(transparent)] {attributes} struct {name}({word});
         #[allow(dead_code)] impl {name} {{
             pub const fn new() -> Self {{ Self(0) }}
             pub const fn from_bits(bits: {word}) -> Self {{ Self(bits) }}
             pub const fn into_bits(self) -> {word} {{ self.0 }}
             {methods}
         }}
         impl Default for {name} {{ fn default() -> Self {{ Self(0) }} }}
         impl From<{word}> for {name} {{ fn from(bits: {word}) -> Self {{ Self(bits) }} }}
         impl From<{name}> for {word} {{ fn from(it: {name}) -> Self {{ it.0 }} }}
         impl core::fmt::Debug for {name} {{
             fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {{
                 f.debug_struct(\"{name}\"){shown}.finish()
             }}
         }}"
    )
    .parse()
    .expect("a bit field")
}

fn type_name(item: TokenStream) -> String {
    let tokens: Vec<TokenTree> = item.into_iter().collect();
    let at = tokens
        .iter()
        .position(|t| matches!(t, TokenTree::Ident(i) if ["struct", "enum"].contains(&i.to_string().as_str())))
        .expect("a struct or an enum");
    if let Some(TokenTree::Group(group)) = tokens.get(at + 1) {
        assert_ne!(group.delimiter(), Delimiter::None);
    }
    tokens[at + 1].to_string()
}

fn implement(item: TokenStream, what: &str) -> TokenStream {
    let name = type_name(item);
    format!("impl {what} for {name} {{}}").parse().expect("an impl")
}

#[proc_macro_derive(IntoBytes)]
pub fn into_bytes(item: TokenStream) -> TokenStream {
    implement(item, "::zerocopy::IntoBytes")
}

#[proc_macro_derive(FromBytes)]
pub fn from_bytes(item: TokenStream) -> TokenStream {
    implement(item, "::zerocopy::FromBytes")
}

/// Its text is that of Debug: nobody reads it here.
#[proc_macro_derive(Error, attributes(error, source, from))]
pub fn error(item: TokenStream) -> TokenStream {
    let name = type_name(item);
    format!(
        "impl core::fmt::Display for {name} {{
             fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {{
                 core::fmt::Debug::fmt(self, f)
             }}
         }}
         impl std::error::Error for {name} {{}}"
    )
    .parse()
    .expect("an impl")
}

macro_rules! nothing {
    ($($function:ident $name:ident $($attribute:ident)?;)*) => {$(
        #[proc_macro_derive($name $(, attributes($attribute))?)]
        pub fn $function(_item: TokenStream) -> TokenStream {
            TokenStream::new()
        }
    )*};
}
nothing! {
    immutable Immutable;
    known_layout KnownLayout;
    inspect Inspect inspect;
    inspect_mut InspectMut inspect;
    protobuf Protobuf mesh;
    saved_state_root SavedStateRoot mesh;
}
