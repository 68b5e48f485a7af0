"""What the small files of a tokenizer may say. transformers (5.16) hands all of
tokenizer_config.json, and of special_tokens_map.json after its own look at paths, to the
tokenizer's class and, where `gguf_file` stands in it, to the hub's client: `vocab` of a text is a
file that is read, whoever's it is, and `cache_dir` a folder that is written to.

So only what honest tokenizers say passes: each known key with its kind of value, and an unknown one
where nothing in it is a text, which alone could be a path or a name."""

import re
from collections.abc import Callable
from typing import Any

TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
TOKENS, ADDED = "special_tokens_map.json", "added_tokens.json"
PROCESSORS = ("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json")
LARGEST = 100_000_000  # bytes of a tokenizer.json; those of honest models have up to 35 million

WORD = re.compile(r"[\w.-]{0,100}", re.ASCII)
# transformers has other names, of models.
CLASS = re.compile(
    r"(\w{0,100}Tokenizer)(?:Fast)?|(?:MistralCommon|Python|SentencePiece|Tokenizers)Backend",
    re.ASCII,
)
# Those that transformers (5.16) has in Python alone: they open what a file of their own names
# (MyT5), load others out of folders that nobody has looked at (Rag), or read rules of theirs. No
# model that is trained here needs one.
_NAMES = """
        Auto Bartpho Basic BertGeneration BertJapanese Bertweet BioGpt BlenderbotSmall ByT5 CTRL
        Canine Character Clvp Cpm CpmAnt Dia Esm FSMT FastSpeech2Conformer Flaubert
        GPTNeoXJapanese GPTSw3 Jumanpp M2M100 Marian Mecab Mgpstr MyT5 PLBart Perceiver Phobert
        Pop2Piano ProphetNet Rag RoCBert RoCBertBasic RoCBertWordpiece Sentencepiece Siglip
        Speech2Text SpeechT5 SubWordJapanese Sudachi Tapas Tweet Vits Wav2Vec2CTC
        Wav2Vec2PhonemeCTC Wordpiece XLM"""
IN_PYTHON = frozenset(f"{name}Tokenizer" for name in _NAMES.split())
# The kinds of models (`model_type`) whose tokenizer is one of them where no other is named.
_KINDS = """
    bartpho bert-generation bert-japanese bertweet biogpt blenderbot-small byt5 canine clvp cpm
    cpmant ctrl data2vec-audio dia esm fastspeech2_conformer flaubert fsmt gpt-sw3
    gpt_neox_japanese hubert m2m_100 marian mgp-str myt5 perceiver phobert plbart pop2piano
    prophetnet rag roc_bert siglip speech_to_text speecht5 tapas unispeech unispeech-sat vits
    wav2vec2 wav2vec2-bert wav2vec2-conformer wav2vec2_phoneme xlm"""
KINDS_IN_PYTHON = frozenset(_KINDS.split())
PROCESSOR = re.compile(r"\w{0,100}(Processor|Extractor|Tokenizer)\w{0,100}", re.ASCII)
TOKEN_NAME = re.compile(r"\w{1,100}_token", re.ASCII)
FLAGS = ("lstrip", "normalized", "rstrip", "single_word", "special")
# What transformers would read, write or ask for in its place, whatever kind of value it has.
ELSEWHERE = re.compile(
    r"\w*vocab|merges|init_inputs|\w*_(files?|path|dir|object|kwargs|spm)|token|use_auth_token|"
    r"proxies|subfolder|\w*revision|"
    r"_commit_hash|trust_remote_code|mistral_format"
)
# A key of an object, however it is escaped, whose value is a text: no honest file has one.
KEY = "".join(rf"(?:{letter}|\\u00{ord(letter):02x})" for letter in "vocab")
MERGES = "".join(rf"(?:{letter}|\\u00{ord(letter):02x})" for letter in "merges")
INSTEAD_OF_WORDS = re.compile(rf'"(?:{KEY}|{MERGES})"\s*:\s*"'.encode(), re.IGNORECASE)
ModelConfig = dict[str, Any]  # a JSON object of a model's files, whose keys are its library's


def unsafe(name: str, found: ModelConfig) -> str | None:
    """The first key of a tokenizer's file `name` that says what none should; None where there is
    none."""
    passes = PASSES[name]
    return next((key for key, value in found.items() if not passes(key, value)), None)


def _configures(key: str, value: Any) -> bool:
    if value is None:
        return True
    if kind := KNOWN.get(key):
        return kind(value)
    if TOKEN_NAME.fullmatch(key):
        return _is_token(value)
    says_nothing = value is False or value in ({}, [], "")
    return not (ELSEWHERE.fullmatch(key) and not says_nothing) and not _has_text(value)


def _names_tokens(key: str, value: Any) -> bool:
    """special_tokens_map.json is laid over everything else, so it may hold tokens alone."""
    named = KNOWN[key](value) if key in EXTRA else TOKEN_NAME.fullmatch(key) and _is_token(value)
    return value is None or bool(named)


def _counts(_key: str, value: Any) -> bool:
    return type(value) is int


def _processes(key: str, value: Any) -> bool:
    """A processor's file, which Axolotl loads of a model that sees or hears; `audio_tokenizer`
    names another model."""
    if key.endswith(("_class", "_type")) and value is not None:
        return is_processor(value)
    return key != "audio_tokenizer" or not value


def _has_text(value: Any) -> bool:
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
    """Whether this may be the name of a tokenizer's class; that of a model's would be loaded in its
    place."""
    found = CLASS.fullmatch(value) if isinstance(value, str) else None
    return found is not None and found[1] not in IN_PYTHON


def is_processor(value: Any) -> bool:
    return isinstance(value, str) and bool(PROCESSOR.fullmatch(value))


def _is_token(value: Any) -> bool:
    """A text, or what AddedToken is made of."""
    if isinstance(value, bool):  # `add_bos_token` and others are switches
        return True
    if not isinstance(value, dict):
        return isinstance(value, str)
    flags = {key: flag for key, flag in value.items() if key not in ("content", "__type")}
    kind = value.get("__type", "AddedToken") == "AddedToken" and isinstance(
        value.get("content"), str
    )
    return (
        kind
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
    """One text, or several with names; of what kind the one that is used must be says
    kotune.models.hub."""
    return not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_code(value: Any) -> bool:
    """Names of code, which is not run where trust_remote_code is off."""
    named = list(value.values()) if isinstance(value, dict) else value
    return isinstance(named, list) and all(
        isinstance(one, (str, list, type(None))) for one in named
    )


# Keys of a config.json by which transformers chooses a class among all that it has.
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
EXTRA = ("additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens")
KNOWN: dict[str, Callable[[Any], bool]] = {
    "tokenizer_class": is_class,
    "processor_class": is_processor,
    "added_tokens_decoder": _are_added,
    "chat_template": _is_template,
    "model_max_length": _is_number,
    "model_input_names": _are_words,
    "auto_map": _is_code,
    **dict.fromkeys(EXTRA, _are_tokens),
    # Only shown, or marks on pieces of words.
    **dict.fromkeys(
        ("continuing_subword_prefix", "wordpieces_prefix", "end_of_word_suffix"), _is_text
    ),
    **dict.fromkeys(
        ("replacement", "response_template", "never_split"),
        lambda value: not isinstance(value, bool),
    ),
    **dict.fromkeys(("response_schema", "tool_parser_type"), lambda _: True),
    # transformers writes them and lays its own over them before it reads them.
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

PASSES: dict[str, Callable[[str, Any], bool]] = {
    TOKENIZER_CONFIG: _configures,
    TOKENS: _names_tokens,
    ADDED: _counts,
    **dict.fromkeys(PROCESSORS, _processes),
}
