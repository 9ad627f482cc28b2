//! CLIP's byte-pair tokenizer.
//!
//! The ids are those of `transformers.CLIPTokenizer` in transformers 5.x, the class that diffusers
//! loads by default. It is the "fast" tokenizer (there is no other any more): NFC, whitespace
//! collapsed, lower case; no `ftfy` repair and no unescaping of HTML entities, which the "slow"
//! tokenizer of earlier releases did when `ftfy` was installed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::{
    Lowercase, NFC, Replace, Sequence as Normalizers, replace::ReplacePattern,
};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    AddedToken, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer, SplitDelimiterBehavior,
};

use crate::{DiffusionError, Result};

pub(super) const START: &str = "<|startoftext|>";
pub(super) const END: &str = "<|endoftext|>";
pub(super) const END_OF_WORD: &str = "</w>";
/// CLIP's word pattern, as transformers spells it.
const WORDS: &str =
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
/// CLIP's 49,408 tokens with a wide margin; a vocabulary beyond it is no CLIP tokenizer.
const MAX_TOKENS: usize = 1 << 20;
/// The longest context of any CLIP text encoder is 77; a wide margin for others.
const MAX_LENGTH: usize = 4096;

/// A token that stands for itself: start, end, unknown, padding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialToken {
    /// Its spelling in the vocabulary.
    pub content: String,
    /// Whether it is looked for in the normalised text (so that capitals match too) or in the raw one.
    #[serde(default)]
    pub normalized: bool,
}

impl SpecialToken {
    fn raw(content: &str) -> Self {
        Self {
            content: content.to_owned(),
            normalized: false,
        }
    }
}

/// Everything a [`Tokenizer`] is made of; the form in which bundles store it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerSpec {
    /// Token → id.
    pub vocab: BTreeMap<String, u32>,
    /// Byte-pair merges, most important first.
    pub merges: Vec<(String, String)>,
    /// Start of text.
    pub bos_token: SpecialToken,
    /// End of text; never cut off.
    pub eos_token: SpecialToken,
    /// Stands for what the vocabulary cannot spell.
    pub unk_token: SpecialToken,
    /// Fills up to `max_length`: the end token for SD 1, `!` for SD 2.
    pub pad_token: SpecialToken,
    /// Number of ids of every encoded text, start and end included.
    pub max_length: usize,
}

impl TokenizerSpec {
    /// CLIP's own special tokens around a vocabulary and its merges.
    #[must_use]
    pub fn with_defaults(
        vocab: BTreeMap<String, u32>,
        merges: Vec<(String, String)>,
        max_length: usize,
    ) -> Self {
        Self {
            vocab,
            merges,
            bos_token: SpecialToken::raw(START),
            eos_token: SpecialToken::raw(END),
            unk_token: SpecialToken::raw(END),
            pad_token: SpecialToken::raw(END),
            max_length,
        }
    }

    /// The largest token id.
    #[must_use]
    pub fn max_id(&self) -> u32 {
        self.vocab.values().copied().max().unwrap_or(0)
    }

    fn id_of(&self, what: &str, token: &SpecialToken) -> Result<u32> {
        self.vocab.get(&token.content).copied().ok_or_else(|| {
            DiffusionError::Tokenizer(format!(
                "the {what} token {:?} is not in the vocabulary",
                token.content
            ))
        })
    }

    fn check_sizes(&self) -> Result<()> {
        if self.vocab.len() > MAX_TOKENS || self.merges.len() > MAX_TOKENS {
            return Err(DiffusionError::Tokenizer(format!(
                "{} tokens and {} merges, at most {MAX_TOKENS} of each are read",
                self.vocab.len(),
                self.merges.len()
            )));
        }
        if !(3..=MAX_LENGTH).contains(&self.max_length) {
            return Err(DiffusionError::Tokenizer(format!(
                "model_max_length is {}, expected 3 to {MAX_LENGTH}",
                self.max_length
            )));
        }
        Ok(())
    }
}

/// Prompt → token ids of a fixed length.
#[derive(Clone)]
pub struct Tokenizer {
    spec: TokenizerSpec,
    inner: tokenizers::Tokenizer,
    start: u32,
    end: u32,
    pad: u32,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("tokens", &self.spec.vocab.len())
            .field("max_length", &self.spec.max_length)
            .finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Builds the tokenizer of a specification.
    ///
    /// # Errors
    /// [`DiffusionError::Tokenizer`] for a merge or special token that the vocabulary lacks, for
    /// oversized lists, and for a `max_length` out of 3..=4096.
    pub fn new(spec: TokenizerSpec) -> Result<Self> {
        spec.check_sizes()?;
        let start = spec.id_of("start", &spec.bos_token)?;
        let end = spec.id_of("end", &spec.eos_token)?;
        let pad = spec.id_of("padding", &spec.pad_token)?;
        spec.id_of("unknown", &spec.unk_token)?;

        let vocab: Vocab = spec
            .vocab
            .iter()
            .map(|(token, id)| (token.clone(), *id))
            .collect();
        let model = BPE::builder()
            .vocab_and_merges(vocab, spec.merges.clone())
            .unk_token(spec.unk_token.content.clone())
            .continuing_subword_prefix(String::new())
            .end_of_word_suffix(END_OF_WORD.to_owned())
            .build()
            .map_err(tokenizer_error)?;
        let mut inner = tokenizers::Tokenizer::new(model);
        let collapse =
            Replace::new(ReplacePattern::Regex(r"\s+".to_owned()), " ").map_err(tokenizer_error)?;
        inner.with_normalizer(Some(Normalizers::new(vec![
            NFC.into(),
            collapse.into(),
            Lowercase.into(),
        ])));
        let words = Split::new(
            SplitPattern::Regex(WORDS.to_owned()),
            SplitDelimiterBehavior::Removed,
            true,
        )
        .map_err(tokenizer_error)?;
        inner.with_pre_tokenizer(Some(PreTokenizers::new(vec![
            words.into(),
            ByteLevel::default().add_prefix_space(false).into(),
        ])));
        inner.add_special_tokens(&added_tokens(&spec));
        Ok(Self {
            spec,
            inner,
            start,
            end,
            pad,
        })
    }

    /// From the contents of `vocab.json` and `merges.txt`, with CLIP's own special tokens.
    ///
    /// # Errors
    /// As [`Tokenizer::new`], and [`DiffusionError::Tokenizer`] for files of another form.
    pub fn from_vocab_merges(vocab: &str, merges: &str, max_length: usize) -> Result<Self> {
        Self::new(TokenizerSpec::from_vocab_merges(vocab, merges, max_length)?)
    }

    /// From the contents of `tokenizer.json`, of which only vocabulary and merges are read.
    ///
    /// # Errors
    /// As [`Tokenizer::new`], and [`DiffusionError::Tokenizer`] for a file of another form.
    pub fn from_tokenizer_json(json: &str, max_length: usize) -> Result<Self> {
        Self::new(TokenizerSpec::from_tokenizer_json(json, max_length)?)
    }

    /// Ids of a text: start, at most `max_length − 2` tokens, end, padding.
    ///
    /// # Shapes
    /// Always exactly [`TokenizerSpec::max_length`] ids.
    ///
    /// # Errors
    /// [`DiffusionError::Tokenizer`] when the byte-pair model refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self
            .inner
            .encode_fast(text, false)
            .map_err(tokenizer_error)?;
        let room = self.spec.max_length - 2;
        let mut ids = Vec::with_capacity(self.spec.max_length);
        ids.push(self.start);
        ids.extend(encoding.get_ids().iter().take(room));
        ids.push(self.end);
        ids.resize(self.spec.max_length, self.pad);
        Ok(ids)
    }

    /// What the tokenizer is made of.
    #[must_use]
    pub fn spec(&self) -> &TokenizerSpec {
        &self.spec
    }

    /// Id of the end token.
    #[must_use]
    pub fn end_id(&self) -> u32 {
        self.end
    }

    /// The words that byte-pair merging never crosses, spelled in the byte alphabet.
    pub(super) fn words(&self, text: &str) -> Result<Vec<String>> {
        let mut normalized = NormalizedString::from(text);
        if let Some(normalizer) = self.inner.get_normalizer() {
            normalizer
                .normalize(&mut normalized)
                .map_err(tokenizer_error)?;
        }
        let mut pieces = PreTokenizedString::from(normalized);
        if let Some(pre_tokenizer) = self.inner.get_pre_tokenizer() {
            pre_tokenizer
                .pre_tokenize(&mut pieces)
                .map_err(tokenizer_error)?;
        }
        let splits = pieces.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
        Ok(splits
            .into_iter()
            .map(|(word, _, _)| word.to_owned())
            .filter(|word| !word.is_empty())
            .collect())
    }
}

/// The special tokens in transformers' order; of equal spellings the last one's flag counts.
fn added_tokens(spec: &TokenizerSpec) -> Vec<AddedToken> {
    let mut tokens: Vec<&SpecialToken> = Vec::new();
    for token in [
        &spec.bos_token,
        &spec.eos_token,
        &spec.unk_token,
        &spec.pad_token,
    ] {
        tokens.retain(|known| known.content != token.content);
        tokens.push(token);
    }
    let added = |token: &SpecialToken| {
        AddedToken::from(token.content.clone(), true).normalized(token.normalized)
    };
    tokens.into_iter().map(added).collect()
}

fn tokenizer_error(error: tokenizers::Error) -> DiffusionError {
    DiffusionError::Tokenizer(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::train_vocabulary;

    fn tokenizer() -> Tokenizer {
        train_vocabulary(&["hello hello world world it's"], 20, 12).unwrap()
    }

    #[test]
    fn every_text_has_start_end_and_the_full_length() {
        let tokenizer = tokenizer();
        for text in ["", " \t\n", "hello", &"world ".repeat(100), "\u{0}\u{7}"] {
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!(ids.len(), 12);
            assert_eq!(ids[0], tokenizer.start);
            assert!(ids.contains(&tokenizer.end));
        }
        assert_eq!(
            tokenizer.encode(&"world ".repeat(100)).unwrap()[11],
            tokenizer.end
        );
    }

    #[test]
    fn case_and_whitespace_do_not_matter() {
        let tokenizer = tokenizer();
        assert_eq!(
            tokenizer.encode("Hello\u{3000}\n WORLD").unwrap(),
            tokenizer.encode("hello world").unwrap()
        );
    }

    #[test]
    fn padding_may_be_an_ordinary_token() {
        let mut spec = tokenizer().spec().clone();
        spec.pad_token = SpecialToken::raw("!");
        let tokenizer = Tokenizer::new(spec).unwrap();
        let ids = tokenizer.encode("hello").unwrap();
        assert_eq!(ids[3..], [tokenizer.spec.vocab["!"]; 9]);
    }

    #[test]
    fn a_merge_outside_the_vocabulary_is_refused() {
        let mut spec = tokenizer().spec().clone();
        spec.merges.push(("q".into(), "zz".into()));
        let error = Tokenizer::new(spec).unwrap_err();
        assert!(error.to_string().contains("zz"), "{error}");
    }

    #[test]
    fn a_special_token_outside_the_vocabulary_is_refused() {
        let mut spec = tokenizer().spec().clone();
        spec.pad_token = SpecialToken::raw("<pad>");
        assert!(
            Tokenizer::new(spec)
                .unwrap_err()
                .to_string()
                .contains("<pad>")
        );
    }
}
