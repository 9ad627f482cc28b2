//! Tokenizer files as Hugging Face writes them, read and written as text.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::tokenizer::{SpecialToken, Tokenizer, TokenizerSpec};
use crate::{DiffusionError, Result};

/// A tokenizer file above this size is not read. CLIP's `tokenizer.json` has 2.2 MB.
pub const MAX_TOKENIZER_BYTES: u64 = 64 << 20;

/// The contents of a `tokenizer/` folder, as far as it has them.
#[derive(Clone, Debug, Default)]
pub struct TokenizerFiles {
    /// `vocab.json`
    pub vocab: Option<String>,
    /// `merges.txt`
    pub merges: Option<String>,
    /// `tokenizer.json`
    pub tokenizer: Option<String>,
    /// `tokenizer_config.json`
    pub config: Option<String>,
    /// `special_tokens_map.json`
    pub special_tokens: Option<String>,
}

impl TokenizerFiles {
    /// The tokenizer of these files; `max_length` (the text encoder's positions) bounds the length
    /// that `tokenizer_config.json` states.
    ///
    /// # Errors
    /// [`DiffusionError::Tokenizer`] where files are missing or of another form.
    pub fn tokenizer(&self, max_length: usize) -> Result<Tokenizer> {
        let mut spec = match (&self.vocab, &self.merges, &self.tokenizer) {
            (Some(vocab), Some(merges), _) => {
                TokenizerSpec::from_vocab_merges(vocab, merges, max_length)?
            }
            (_, _, Some(json)) => TokenizerSpec::from_tokenizer_json(json, max_length)?,
            _ => {
                return Err(DiffusionError::Tokenizer(
                    "neither vocab.json with merges.txt nor tokenizer.json is there".into(),
                ));
            }
        };
        let config = object("tokenizer_config.json", self.config.as_deref())?;
        let special = object("special_tokens_map.json", self.special_tokens.as_deref())?;
        spec.read_special_tokens(&config, &special)?;
        // A tokenizer without a limit of its own states 1e30.
        if let Some(stated) = config.get("model_max_length").and_then(Value::as_f64) {
            spec.max_length = max_length.min(stated.max(0.0) as usize);
        }
        Tokenizer::new(spec)
    }
}

type Object = serde_json::Map<String, Value>;

fn object(file: &str, text: Option<&str>) -> Result<Object> {
    let parse = |text| serde_json::from_str(text).map_err(|error| bad(file, &error.to_string()));
    text.map_or(Ok(Object::new()), parse)
}

fn bad(file: &str, reason: &str) -> DiffusionError {
    DiffusionError::Tokenizer(format!("{file}: {reason}"))
}

impl TokenizerSpec {
    /// Reads the contents of `vocab.json` and `merges.txt`; special tokens are CLIP's own.
    ///
    /// # Errors
    /// [`DiffusionError::Tokenizer`] for files of another form.
    pub fn from_vocab_merges(vocab: &str, merges: &str, max_length: usize) -> Result<Self> {
        let vocab: BTreeMap<String, u32> =
            serde_json::from_str(vocab).map_err(|error| bad("vocab.json", &error.to_string()))?;
        let lines = merges
            .lines()
            .filter(|line| !line.starts_with("#version") && !line.trim().is_empty());
        let merges = lines
            .map(|line| pair("merges.txt", line))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self::with_defaults(vocab, merges, max_length))
    }

    /// Reads vocabulary and merges of a `tokenizer.json`, and nothing else of it: the file of an
    /// untrusted model must not choose regular expressions or processors.
    ///
    /// # Errors
    /// [`DiffusionError::Tokenizer`] for a file of another form.
    pub fn from_tokenizer_json(json: &str, max_length: usize) -> Result<Self> {
        #[derive(Deserialize)]
        struct File {
            model: Model,
        }
        #[derive(Deserialize)]
        struct Model {
            vocab: BTreeMap<String, u32>,
            merges: Vec<Merge>,
        }
        /// Tokenizers up to 0.19 wrote `"a b"`, later ones write `["a", "b"]`.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Merge {
            Line(String),
            Pair(String, String),
        }
        let file: File = serde_json::from_str(json)
            .map_err(|error| bad("tokenizer.json", &error.to_string()))?;
        let read = |merge| match merge {
            Merge::Line(line) => pair("tokenizer.json", &line),
            Merge::Pair(left, right) => Ok((left, right)),
        };
        let merges = file
            .model
            .merges
            .into_iter()
            .map(read)
            .collect::<Result<Vec<_>>>()?;
        Ok(Self::with_defaults(file.model.vocab, merges, max_length))
    }

    /// The contents of `vocab.json`.
    #[must_use]
    pub fn vocab_json(&self) -> String {
        let mut tokens: Vec<_> = self.vocab.iter().collect();
        tokens.sort_by_key(|(_, id)| **id);
        let entry = |(token, id): (&String, &u32)| format!("{}:{id}", Value::from(token.as_str()));
        format!(
            "{{{}}}",
            tokens.into_iter().map(entry).collect::<Vec<_>>().join(",")
        )
    }

    /// The contents of `merges.txt`.
    #[must_use]
    pub fn merges_txt(&self) -> String {
        let lines = self
            .merges
            .iter()
            .map(|(left, right)| format!("{left} {right}\n"));
        std::iter::once("#version: 0.2\n".to_owned())
            .chain(lines)
            .collect()
    }

    /// The contents of `tokenizer_config.json`, without a `special_tokens_map.json` beside it.
    #[must_use]
    pub fn config_json(&self) -> Value {
        let token = |token: &SpecialToken| {
            json!({
                "__type": "AddedToken",
                "content": token.content,
                "normalized": token.normalized,
                "lstrip": false, "rstrip": false, "single_word": false,
            })
        };
        json!({
            "tokenizer_class": "CLIPTokenizer",
            "model_max_length": self.max_length,
            "bos_token": token(&self.bos_token),
            "eos_token": token(&self.eos_token),
            "unk_token": token(&self.unk_token),
            "pad_token": token(&self.pad_token),
        })
    }

    /// Start, end, unknown and padding token from the two configuration files.
    ///
    /// As transformers does: `special_tokens_map.json` wins over `tokenizer_config.json`, unless
    /// that has an `added_tokens_decoder`, whose flags then apply; a token given as a plain string
    /// is matched in the raw text.
    fn read_special_tokens(&mut self, config: &Object, map: &Object) -> Result<()> {
        let decoder = config
            .get("added_tokens_decoder")
            .and_then(Value::as_object);
        let slots = [
            ("bos_token", &mut self.bos_token),
            ("eos_token", &mut self.eos_token),
            ("unk_token", &mut self.unk_token),
            ("pad_token", &mut self.pad_token),
        ];
        for (key, slot) in slots {
            let legacy = map
                .get(key)
                .filter(|value| decoder.is_none() && !value.is_null());
            let Some(value) = legacy.or(config.get(key)).filter(|value| !value.is_null()) else {
                continue;
            };
            *slot = special_token(key, value)?;
            let listed = decoder
                .into_iter()
                .flat_map(|tokens| tokens.values())
                .find_map(|token| {
                    let same = token.get("content").and_then(Value::as_str) == Some(&slot.content);
                    token
                        .get("normalized")
                        .and_then(Value::as_bool)
                        .filter(|_| same)
                });
            if let Some(normalized) = listed {
                slot.normalized = normalized;
            }
        }
        Ok(())
    }
}

fn special_token(key: &str, value: &Value) -> Result<SpecialToken> {
    let content = value
        .as_str()
        .or_else(|| value.get("content").and_then(Value::as_str));
    let normalized = value
        .get("normalized")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let content = content
        .ok_or_else(|| DiffusionError::Tokenizer(format!("{key} is neither text nor a token")))?;
    Ok(SpecialToken {
        content: content.to_owned(),
        normalized,
    })
}

fn pair(file: &str, line: &str) -> Result<(String, String)> {
    match line.split_once(' ') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() && !right.contains(' ') => {
            Ok((left.to_owned(), right.to_owned()))
        }
        _ => Err(bad(file, &format!("{line:?} is not a pair of tokens"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::train_vocabulary;

    fn files() -> TokenizerFiles {
        let spec = train_vocabulary(&["a nut a nut"], 10, 77)
            .unwrap()
            .spec()
            .clone();
        TokenizerFiles {
            vocab: Some(spec.vocab_json()),
            merges: Some(spec.merges_txt()),
            ..TokenizerFiles::default()
        }
    }

    #[test]
    fn both_forms_of_tokenizer_json_are_read() {
        let spec = files().tokenizer(77).unwrap().spec().clone();
        let lines: Vec<String> = spec
            .merges
            .iter()
            .map(|(a, b)| format!("{a} {b}"))
            .collect();
        for merges in [
            serde_json::to_value(&spec.merges).unwrap(),
            serde_json::to_value(lines).unwrap(),
        ] {
            let json = serde_json::json!({
                "model": {"vocab": spec.vocab, "merges": merges},
                "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}},
            });
            let files = TokenizerFiles {
                tokenizer: Some(json.to_string()),
                ..TokenizerFiles::default()
            };
            assert_eq!(files.tokenizer(77).unwrap().spec(), &spec);
        }
    }

    #[test]
    fn the_older_file_wins_unless_the_newer_form_is_used() {
        let mut files = files();
        files.config = Some(r#"{"pad_token": "<|endoftext|>", "model_max_length": 20}"#.into());
        files.special_tokens = Some(r#"{"pad_token": "!"}"#.into());
        let tokenizer = files.tokenizer(77).unwrap();
        assert_eq!(tokenizer.spec().pad_token.content, "!");
        assert_eq!(tokenizer.spec().max_length, 20);
        files.config = Some(r#"{"pad_token": "<|endoftext|>", "added_tokens_decoder": {}}"#.into());
        assert_eq!(
            files.tokenizer(77).unwrap().spec().pad_token.content,
            "<|endoftext|>"
        );
    }

    #[test]
    fn files_of_another_form_are_named() {
        let broken = [
            TokenizerFiles::default(),
            TokenizerFiles {
                vocab: Some("[]".into()),
                ..files()
            },
            TokenizerFiles {
                merges: Some("one two three".into()),
                ..files()
            },
            TokenizerFiles {
                config: Some("{".into()),
                ..files()
            },
            TokenizerFiles {
                config: Some(r#"{"model_max_length": 1}"#.into()),
                ..files()
            },
        ];
        let messages: Vec<String> = broken
            .iter()
            .map(|files| files.tokenizer(77).unwrap_err().to_string())
            .collect();
        for (message, part) in messages.iter().zip([
            "merges.txt",
            "vocab.json",
            "one two three",
            "tokenizer_config",
            "model_max_length",
        ]) {
            assert!(message.contains(part), "{message:?} should name {part}");
        }
    }
}
