"""Checks the small JSON files of a tokenizer, which may be untrusted.

transformers (5.16) passes every key of tokenizer_config.json to the tokenizer's class, and with the
key `gguf_file` also to the hub's client. For example, a string in `vocab` makes transformers read
the file with that path, and `cache_dir` makes it write to that folder. transformers replaces the
paths of vocabulary files by paths in the model's folder. But it adds the keys of
special_tokens_map.json only afterwards, so paths in that file are not replaced.

Only content of real tokenizers is accepted. The value of a known key must have the type that the
key needs. The value of an unknown key must not contain text, because only text can be a path or a
name."""

import re
from collections.abc import Callable
from typing import Any

TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
TOKENS, ADDED = "special_tokens_map.json", "added_tokens.json"
PROCESSORS = ("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json")
MAX_BYTES = 100_000_000  # of a tokenizer.json; those of real models have up to 35 million

WORD = re.compile(r"[\w.-]{0,100}", re.ASCII)
# The accepted names of tokenizer classes. Other names could be names of model classes.
CLASS = re.compile(
    r"(\w{0,100}Tokenizer)(?:Fast)?|(?:MistralCommon|Python|SentencePiece|Tokenizers)Backend",
    re.ASCII,
)
# Tokenizers that transformers (5.16) implements only in Python. Some of them open files that their
# vocabulary file names (MyT5), or load tokenizers from unchecked folders (Rag). No model that
# kotune trains needs one of them.
_NAMES = """
        Auto Bartpho Basic BertGeneration BertJapanese Bertweet BioGpt BlenderbotSmall ByT5 CTRL
        Canine Character Clvp Cpm CpmAnt Dia Esm FSMT FastSpeech2Conformer Flaubert
        GPTNeoXJapanese GPTSw3 Jumanpp M2M100 Marian Mecab Mgpstr MyT5 PLBart Perceiver Phobert
        Pop2Piano ProphetNet Rag RoCBert RoCBertBasic RoCBertWordpiece Sentencepiece Siglip
        Speech2Text SpeechT5 SubWordJapanese Sudachi Tapas Tweet Vits Wav2Vec2CTC
        Wav2Vec2PhonemeCTC Wordpiece XLM"""
IN_PYTHON = frozenset(f"{name}Tokenizer" for name in _NAMES.split())
# The values of `model_type` whose default tokenizer is in IN_PYTHON.
_KINDS = """
    bartpho bert-generation bert-japanese bertweet biogpt blenderbot-small byt5 canine clvp cpm
    cpmant ctrl data2vec-audio dia esm fastspeech2_conformer flaubert fsmt gpt-sw3
    gpt_neox_japanese hubert m2m_100 marian mgp-str myt5 perceiver phobert plbart pop2piano
    prophetnet rag roc_bert siglip speech_to_text speecht5 tapas unispeech unispeech-sat vits
    wav2vec2 wav2vec2-bert wav2vec2-conformer wav2vec2_phoneme xlm"""
KINDS_IN_PYTHON = frozenset(_KINDS.split())
# The accepted names of processor classes, which prepare images or audio.
PROCESSOR = re.compile(r"\w{0,100}(Processor|Extractor|Tokenizer)\w{0,100}", re.ASCII)
TOKEN_NAME = re.compile(r"\w{1,100}_token", re.ASCII)
# The keys of an added token whose values are flags.
FLAGS = ("lstrip", "normalized", "rstrip", "single_word", "special")
# Keys that make transformers read, write or download other files, whatever the type of their value.
REDIRECTION = re.compile(
    r"\w*vocab|merges|init_inputs|\w*_(files?|path|dir|object|kwargs|spm)|token|use_auth_token|"
    r"proxies|subfolder|\w*revision|"
    r"_commit_hash|trust_remote_code|mistral_format"
)
# Matches the key `vocab` or `merges` of a JSON object if the key's value is a string. The letters
# of the key may be escaped. In real files, the value is an object or a list.
VOCABULARY = "".join(rf"(?:{letter}|\\u00{ord(letter):02x})" for letter in "vocab")
MERGES = "".join(rf"(?:{letter}|\\u00{ord(letter):02x})" for letter in "merges")
TEXT_AS_VOCABULARY = re.compile(rf'"(?:{VOCABULARY}|{MERGES})"\s*:\s*"'.encode(), re.IGNORECASE)
ModelConfig = dict[str, Any]  # a JSON object in a file of a model; its library defines the keys


def unsafe_key(name: str, content: ModelConfig) -> str | None:
    """The first key whose entry is not accepted in `content`, the JSON object in the tokenizer file
    `name`. None if all entries are accepted."""
    check = CHECKS[name]
    return next((key for key, value in content.items() if not check(key, value)), None)


def _is_setting(key: str, value: Any) -> bool:
    """Whether an entry of tokenizer_config.json is accepted."""
    if value is None:
        return True
    if check := KNOWN.get(key):
        return check(value)
    if TOKEN_NAME.fullmatch(key):
        return _is_token(value)
    is_unset = value is False or value in ({}, [], "")
    return not (REDIRECTION.fullmatch(key) and not is_unset) and not _has_text(value)


def _is_special_token(key: str, value: Any) -> bool:
    """Whether an entry of special_tokens_map.json is accepted. This file overrides all other files,
    so it may only contain tokens."""
    accepted = KNOWN[key](value) if key in EXTRA else TOKEN_NAME.fullmatch(key) and _is_token(value)
    return value is None or bool(accepted)


def _is_token_id(_key: str, value: Any) -> bool:
    """Whether an entry of added_tokens.json is accepted."""
    return type(value) is int


def _is_processor_setting(key: str, value: Any) -> bool:
    """Whether an entry of a processor's file is accepted. Axolotl loads the file for an image or
    audio model. The key `audio_tokenizer` would name another model, so its value must be empty."""
    if key.endswith(("_class", "_type")) and value is not None:
        return is_processor(value)
    return key != "audio_tokenizer" or not value


def _has_text(value: Any) -> bool:
    """Whether a value is a string, or a list or an object with a string as a value at any depth."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            return True
        waiting += (
            value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        )
    return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(WORD.fullmatch(value))


def is_class(value: Any) -> bool:
    """Whether a value is an accepted name of a tokenizer class. transformers would also load a
    model class by its name, so other names are not accepted."""
    match = CLASS.fullmatch(value) if isinstance(value, str) else None
    return match is not None and match[1] not in IN_PYTHON


def is_processor(value: Any) -> bool:
    """Whether a value is an accepted name of a processor class."""
    return isinstance(value, str) and bool(PROCESSOR.fullmatch(value))


def _is_token(value: Any) -> bool:
    """Whether a value is a string, a flag, or the fields of an AddedToken."""
    if isinstance(value, bool):  # `add_bos_token` and others are flags
        return True
    if not isinstance(value, dict):
        return isinstance(value, str)
    flags = {key: flag for key, flag in value.items() if key not in ("content", "__type")}
    is_added = value.get("__type", "AddedToken") == "AddedToken"
    return (
        is_added
        and isinstance(value.get("content"), str)
        and flags.keys() <= set(FLAGS)
        and all(isinstance(flag, bool) for flag in flags.values())
    )


def _are_tokens(value: Any) -> bool:
    if isinstance(value, dict):
        return all(TOKEN_NAME.fullmatch(key) and _is_token(token) for key, token in value.items())
    return isinstance(value, list) and all(map(_is_token, value))


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_word, value))


def _are_added(value: Any) -> bool:
    return isinstance(value, dict) and all(
        key.isdecimal() and _is_token(token) for key, token in value.items()
    )


def _is_template(value: Any) -> bool:
    """Accepts one template or several named templates. kotune.models.hub checks the template that
    is used."""
    return not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_code(value: Any) -> bool:
    """Accepts names of the model's own classes. Their code is not run, because trust_remote_code is
    off."""
    names = list(value.values()) if isinstance(value, dict) else value
    return isinstance(names, list) and all(
        isinstance(name, (str, list, type(None))) for name in names
    )


# The keys of a config.json by which transformers chooses classes, each with the check of its value.
CLASSES: dict[str, Callable[[Any], bool]] = {
    "tokenizer_class": lambda value: value is None or is_class(value),
    **dict.fromkeys(
        (
            "processor_class",
            "image_processor_type",
            "feature_extractor_type",
            "video_processor_type",
        ),
        lambda value: value is None or is_processor(value),
    ),
}
# Keys that hold further special tokens.
EXTRA = ("additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens")
# The known keys of tokenizer_config.json, each with the check of its value.
KNOWN: dict[str, Callable[[Any], bool]] = {
    "tokenizer_class": is_class,
    "processor_class": is_processor,
    "added_tokens_decoder": _are_added,
    "chat_template": _is_template,
    "model_max_length": _is_number,
    "model_input_names": _are_words,
    "auto_map": _is_code,
    **dict.fromkeys(EXTRA, _are_tokens),
    # Markers for pieces of words.
    **dict.fromkeys(
        ("continuing_subword_prefix", "wordpieces_prefix", "end_of_word_suffix"), _is_text
    ),
    **dict.fromkeys(
        ("replacement", "response_template", "never_split"),
        lambda value: not isinstance(value, bool),
    ),
    **dict.fromkeys(("response_schema", "tool_parser_type"), lambda _: True),
    # transformers writes these keys. It replaces their values before it reads them.
    **dict.fromkeys(("name_or_path", "special_tokens_map_file"), _is_text),
    **dict.fromkeys(
        (
            "backend",
            "clean_up_tokenization",
            "errors",
            "language",
            "padding",
            "padding_side",
            "source_lang",
            "src_lang",
            "target_lang",
            "task",
            "tgt_lang",
            "tokenizer_type",
            "transformers_version",
            "truncation",
            "truncation_side",
            "truncation_strategy",
        ),
        lambda value: _is_word(value) or not _has_text(value),
    ),
    "sp_model_kwargs": lambda value: isinstance(value, dict) and not _has_text(value),
}

# For each file of a tokenizer, the check of one entry.
CHECKS: dict[str, Callable[[str, Any], bool]] = {
    TOKENIZER_CONFIG: _is_setting,
    TOKENS: _is_special_token,
    ADDED: _is_token_id,
    **dict.fromkeys(PROCESSORS, _is_processor_setting),
}
