//! What the values of records are, as far as tables need to know. Says nothing of a format or a config.

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A text.
    Text,
    /// A whole number of 64 bits.
    Int,
    /// A number.
    Float,
    /// `true` or `false`.
    Bool,
    /// A day: `2026-11-21`.
    Date,
    /// A moment: RFC 3339, UTC, milliseconds.
    Moment,
    /// Any JSON.
    Json,
    /// A list of such values.
    List(Box<Self>),
    /// An object with these fields.
    Object(Vec<Field>),
}

/// A named value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it is.
    pub shape: Shape,
    /// Whether it may be null.
    pub is_nullable: bool,
}

/// The fields that an extraction rule gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id, which is the `extract_rule` of a record.
    pub id: String,
    /// Its fields in their order.
    pub fields: Vec<Field>,
}

impl Shape {
    /// A list of such values.
    #[must_use]
    pub fn list(self) -> Self {
        Self::List(Box::new(self))
    }

    /// The name of the type, as `[[extract]]` has it where it has one.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Moment => "datetime",
            Self::Json => "json",
            Self::List(_) => "list",
            Self::Object(_) => "object",
        }
    }
}

impl Field {
    /// A field that may be null.
    pub fn new(name: impl Into<String>, shape: Shape) -> Self {
        Self { name: name.into(), shape, is_nullable: true }
    }
}
