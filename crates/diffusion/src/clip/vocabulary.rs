//! Byte-pair vocabularies: CLIP's own, and small ones made from a list of texts, for models with a
//! text encoder of their own.

use std::collections::BTreeMap;

use super::tokenizer::{END_OF_WORD, Tokenizer, TokenizerSpec};
use crate::Result;

/// The printable character that stands for each byte, in the order of CLIP's own vocabulary.
///
/// Source: `bytes_to_unicode` of OpenAI's GPT-2 encoder, on which CLIP's `simple_tokenizer.py` builds.
pub(super) fn byte_alphabet() -> Vec<char> {
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let shown = (0..256).filter(|&byte| printable(byte));
    let moved = (0..256)
        .filter(|&byte| !printable(byte))
        .enumerate()
        .map(|(n, _)| 256 + n as u32);
    shown.chain(moved).filter_map(char::from_u32).collect()
}

/// Merges of OpenAI's CLIP (MIT): the first 48,894 of `bpe_simple_vocab_16e6.txt`, all that CLIP uses.
const CLIP_MERGES: &str = include_str!("../../assets/clip-merges.txt");

impl TokenizerSpec {
    /// The tokenizer of OpenAI's CLIP, for checkpoints that come without one: 49,408 tokens, whose
    /// ids follow from the merges. Stable Diffusion 1 and 2 were trained with it.
    ///
    /// Source: CLIP's `simple_tokenizer.py`.
    #[must_use]
    pub fn clip(max_length: usize) -> Self {
        let lines = CLIP_MERGES.lines().skip(1);
        let merges: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(' '))
            .map(|(left, right)| (left.to_owned(), right.to_owned()))
            .collect();
        let mut tokens = byte_tokens();
        tokens.extend(merges.iter().map(|(left, right)| format!("{left}{right}")));
        Self::with_defaults(ids(&tokens), merges, max_length)
    }
}

/// The 256 byte characters, and the same at the end of a word.
fn byte_tokens() -> Vec<String> {
    let ends = byte_alphabet()
        .into_iter()
        .map(|c| format!("{c}{END_OF_WORD}"));
    let bytes = byte_alphabet().into_iter().map(String::from);
    bytes.chain(ends).collect()
}

/// Learns up to `merges` byte-pair merges from `texts` and returns the tokenizer that uses them.
///
/// The vocabulary has CLIP's layout: 256 byte characters, the same with `</w>`, one token per
/// merge, start, end; so every text can be encoded, also one never seen. The same texts in the
/// same order give the same vocabulary on every platform: ties go to the pair whose spelling
/// sorts first. Merging stops early when no pair occurs twice.
///
/// # Errors
/// [`crate::DiffusionError::Tokenizer`] when `max_length` leaves no room for start and end.
///
/// Source: Sennrich, Haddow, Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016.
pub fn train_vocabulary(texts: &[&str], merges: usize, max_length: usize) -> Result<Tokenizer> {
    let mut tokens = byte_tokens();

    let splitter = Tokenizer::new(TokenizerSpec::with_defaults(
        ids(&tokens),
        Vec::new(),
        max_length,
    ))?;
    let mut words = count_words(&splitter, texts)?;
    let mut learned = Vec::new();
    while learned.len() < merges {
        let Some((left, right)) = most_frequent_pair(&words) else {
            break;
        };
        let joined = format!("{left}{right}");
        for (symbols, _) in &mut words {
            merge(symbols, &left, &right, &joined);
        }
        tokens.push(joined);
        learned.push((left, right));
    }
    Tokenizer::new(TokenizerSpec::with_defaults(
        ids(&tokens),
        learned,
        max_length,
    ))
}

/// Token ids by position; start and end come last, as in CLIP.
fn ids(tokens: &[String]) -> BTreeMap<String, u32> {
    let all = tokens
        .iter()
        .map(String::as_str)
        .chain([super::tokenizer::START, super::tokenizer::END]);
    let mut vocab = BTreeMap::new();
    for token in all {
        let next = vocab.len() as u32;
        vocab.entry(token.to_owned()).or_insert(next);
    }
    vocab
}

/// Distinct words as symbol lists, the last symbol carrying `</w>`, with their counts.
fn count_words(splitter: &Tokenizer, texts: &[&str]) -> Result<Vec<(Vec<String>, u64)>> {
    let mut counts = BTreeMap::<String, u64>::new();
    for text in texts {
        for word in splitter.words(text)? {
            *counts.entry(word).or_default() += 1;
        }
    }
    let symbols = |word: &str| {
        let mut symbols: Vec<String> = word.chars().map(String::from).collect();
        if let Some(last) = symbols.last_mut() {
            last.push_str(END_OF_WORD);
        }
        symbols
    };
    Ok(counts
        .into_iter()
        .map(|(word, count)| (symbols(&word), count))
        .collect())
}

/// The pair of neighbours that occurs most often, at least twice; ties to the smaller spelling.
fn most_frequent_pair(words: &[(Vec<String>, u64)]) -> Option<(String, String)> {
    let mut counts = BTreeMap::<(&str, &str), u64>::new();
    for (symbols, count) in words {
        for pair in symbols.windows(2) {
            *counts.entry((&pair[0], &pair[1])).or_default() += count;
        }
    }
    // Keys ascend, and only a strictly larger count replaces: the first of equals stays.
    let mut best: Option<((&str, &str), u64)> = None;
    for (pair, count) in counts {
        if count >= 2 && best.is_none_or(|(_, top)| count > top) {
            best = Some((pair, count));
        }
    }
    best.map(|((left, right), _)| (left.to_owned(), right.to_owned()))
}

/// Replaces every `left right` in `symbols` by `joined`, from the left.
fn merge(symbols: &mut Vec<String>, left: &str, right: &str, joined: &str) {
    let mut at = 0;
    while at + 1 < symbols.len() {
        if symbols[at] == left && symbols[at + 1] == right {
            symbols[at] = joined.to_owned();
            symbols.remove(at + 1);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 3] = [
        "A perfect bottle.",
        "A bottle with an intact round mouth.",
        "A metal nut with intact edges.",
    ];

    #[test]
    fn clips_own_tokenizer_gives_clips_own_ids() {
        let spec = TokenizerSpec::clip(77);
        assert_eq!(spec.vocab.len(), 49_408);
        let tokenizer = Tokenizer::new(spec).unwrap();
        let ids = tokenizer.encode("a photo of a cat").unwrap();
        assert_eq!(
            ids[..8],
            [49_406, 320, 1_125, 539, 320, 2_368, 49_407, 49_407]
        );
        assert_eq!(ids.len(), 77);
    }

    #[test]
    fn the_alphabet_has_a_distinct_character_for_each_byte() {
        let mut alphabet = byte_alphabet();
        alphabet.sort_unstable();
        alphabet.dedup();
        assert_eq!(alphabet.len(), 256);
    }

    #[test]
    fn training_is_deterministic_and_joins_frequent_words() {
        let one = train_vocabulary(&TEXTS, 60, 77).unwrap();
        let two = train_vocabulary(&TEXTS, 60, 77).unwrap();
        assert_eq!(one.spec(), two.spec());
        assert!(one.spec().vocab.contains_key("bottle</w>"));
        assert!(one.spec().vocab.len() > 512);
    }

    #[test]
    fn unseen_text_needs_no_unknown_token() {
        let tokenizer = train_vocabulary(&TEXTS, 60, 77).unwrap();
        let ids = tokenizer.encode("Ünseen 中文 🙂").unwrap();
        let end = tokenizer.end_id();
        let words = ids.iter().position(|&id| id == end).unwrap();
        assert!(
            words > 10,
            "start and the bytes of three words, got {words}"
        );
    }

    #[test]
    fn the_files_it_writes_are_the_files_it_reads() {
        let tokenizer = train_vocabulary(&TEXTS, 40, 32).unwrap();
        let spec = tokenizer.spec();
        let again = TokenizerSpec::from_vocab_merges(
            &spec.vocab_json(),
            &spec.merges_txt(),
            spec.max_length,
        )
        .unwrap();
        assert_eq!(&again, spec);
    }
}
