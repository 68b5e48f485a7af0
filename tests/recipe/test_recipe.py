"""Recipes: what ships is good and fair, and every mistake is told with its key and a way out."""

from pathlib import Path

import pytest

from kotune.errors import RecipeError
from kotune.recipe import reading
from tests.conftest import ROOT, write_recipe

SHIPPED = sorted(path for path in (ROOT / "recipes").glob("*.yml") if path.name != "defaults.yml")
OWN_DATA = [path for path in SHIPPED if path.stem.endswith(("_dialogue_lora", "_chat_lora"))]
THINKING = ROOT / "recipes" / "deepseek_think_lora.yml"
OTHERS = (*OWN_DATA, THINKING)
PRODUCT = [
    path for path in SHIPPED if not path.name.startswith("quickstart") and path not in OTHERS
]
GOOD = "model: quickstart-llama\ndata:\n  - source: nli_sample\n"


@pytest.mark.usefixtures("users_data")
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_recipe_is_good_short_and_says_how_to_run_it(path: Path) -> None:
    recipe = reading.load(path)
    # The quickstart shows every stage in minutes; the others are to speak of their model.
    assert recipe.all_seeds() == ((42,) if path.stem.startswith("quickstart") else (42, 1, 2))
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 14
    assert f"./cli.py run recipes/{path.name}" in text
    assert "GPU:" in text


def test_product_recipes_of_a_source_differ_only_in_model_adapter_and_form() -> None:
    kept: dict[str, list[dict[str, object]]] = {}
    for path in PRODUCT:
        whole = reading.load(path).model_dump(exclude={"model", "adapter"})
        for entry in whole["data"]:
            entry.pop("form")
        kept.setdefault(whole["data"][0]["source"], []).append(whole)
    assert {source: len(wholes) for source, wholes in kept.items()} == {
        "klue_nli": 6,
        "korquad": 2,
        "naver_news": 2,
        "nsmc": 2,
    }
    assert all(whole == wholes[0] for wholes in kept.values() for whole in wholes)


def test_the_recipe_for_a_model_that_thinks_differs_from_the_plain_one_in_template_and_tasks() -> (
    None
):
    thinks, plain = (
        reading.load(path).model_dump()
        for path in (THINKING, ROOT / "recipes" / "deepseek_lora.yml")
    )
    assert (thinks.pop("template"), plain.pop("template")) == ("deepseek_r1_think", None)
    assert thinks.pop("tasks") == ("klue_nli_ko_gen", "klue_nli_ko") != plain.pop("tasks")
    assert thinks == plain


def test_the_form_is_one_of_the_sources_and_the_first_where_none_is_named(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, GOOD)
    assert reading.load(path).data[0].form == "label"
    assert reading.load(path, ("data.0.source=korquad",)).data[0].form == "answer"
    assert reading.load(path, ("data.0.form=write",)).data[0].form == "write"


def test_a_form_left_out_and_the_same_form_named_are_one_experiment(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, GOOD)
    left_out, named, other = (
        reading.load(path, words) for words in ((), ("data.0.form=label",), ("data.0.form=write",))
    )
    assert (
        reading.digest(left_out, None) == reading.digest(named, None) != reading.digest(other, None)
    )


@pytest.mark.parametrize("source", ["chat", "aihub_dialogue"])
def test_a_source_that_is_nowhere_without_a_path_says_what_must_lie_there(
    tmp_path: Path, source: str
) -> None:
    path = write_recipe(tmp_path, f"model: quickstart-llama\ndata: [{{source: {source}}}]\n")
    with pytest.raises(RecipeError, match=rf"data\.0\.path: {source}: no path; path must name"):
        reading.load(path)


def test_recipes_for_ones_own_data_differ_only_in_model_and_tell_a_missing_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in OWN_DATA:
        with pytest.raises(
            RecipeError,
            match=r"data\.0\.path: `data/(aihub|my_chat)` does not exist; give the folder",
        ):
            reading.load(path)
    for name in ("aihub", "my_chat"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for kind in ("dialogue", "chat"):
        llama, deepseek = (
            reading.load(ROOT / "recipes" / f"{model}_{kind}_lora.yml").model_dump()
            for model in ("llama", "deepseek")
        )
        assert llama.pop("model") != deepseek.pop("model")
        assert llama == deepseek


def test_llama_recipes_mean_the_instruct_model() -> None:
    assert {reading.load(path).model for path in PRODUCT if path.name.startswith("llama")} == {
        "llama-3.2-1b-instruct"
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + "modle: x\n", "modle: unknown key; did you mean model?"),
        (GOOD.replace("source", "sorce"), "data.0.sorce: unknown key; did you mean source?"),
        (GOOD + "axolotl:\n  lora_rank: 8\n", "axolotl.lora_rank: Axolotl has no such key"),
        (GOOD + "axolotl:\n  use_cpu: true\n", "axolotl.use_cpu: Axolotl has no such key"),
        (
            GOOD + "axolotl:\n  datasets:\n    - role_to_train: [assistant]\n",
            (
                "axolotl.datasets.0.role_to_train: Axolotl has no such key and would ignore it; did"
                " you mean roles_to_train?"
            ),
        ),
        (
            GOOD + "axolotl:\n  lora_r: many\n",
            "axolotl.lora_r: expected integer or null, found `many`",
        ),
        (
            GOOD + "axolotl:\n  peft:\n    loftq: {}\n",
            "axolotl.peft.loftq: Axolotl has no such key",
        ),
        (
            GOOD + "axolotl:\n  bf16: sometimes\n",
            "axolotl.bf16: expected `auto` or boolean or null",
        ),
        (
            GOOD + "axolotl:\n  base_model: x\n",
            "axolotl.base_model: kotune sets this from the recipe; use `model`",
        ),
        (GOOD + "axolotl:\n  plugins: [os]\n", "axolotl.plugins: a plugin runs foreign code"),
        (GOOD + "axolotl: 3\n", "axolotl: must be a mapping of `key: value` lines, found `3`"),
        (GOOD + "seed: early\n", "seed: input should be a valid integer"),
        (GOOD + "adapter: full\n", "adapter: unknown value `full`; known: lora, qlora"),
        (GOOD + "adapter: qlor\n", "adapter: unknown value `qlor`; did you mean qlora?"),
        (GOOD + "leaks: drp\n", "leaks: unknown value `drp`; did you mean drop?"),
        (
            GOOD.rstrip() + "\n    system: mege\n",
            "data.0.system: unknown value `mege`; did you mean merge?",
        ),
        (
            GOOD + "tasks: nli_sample_ko\n",
            "tasks: must be a list, as in [a, b], found `nli_sample_ko`",
        ),
        (
            GOOD + "axolotl:\n  excess_length_strategy: trunkate\n",
            (
                "axolotl.excess_length_strategy: expected one of drop, truncate, raise or null,"
                " found `trunkate`; did you mean truncate?"
            ),
        ),
        (
            GOOD + "axolotl:\n  batch_size: 16.0\n",
            "axolotl.batch_size: expected integer or null, found `16.0`",
        ),
        (GOOD.replace("quickstart-llama", "quickstart-lama"), "did you mean quickstart-llama?"),
        (
            GOOD.replace("nli_sample", "nli_sampel"),
            "data.0.source: unknown source `nli_sampel`; did you mean nli_sample?",
        ),
        (GOOD + "tasks: [klue_nli]\n", "unknown task `klue_nli`; did you mean klue_nli_ko?"),
        (GOOD + "    form: lable\n", "data.0.form: unknown form `lable`; did you mean label?"),
        (GOOD + "    form: reply\n", "data.0.form: unknown form `reply`; known: label, write"),
        (GOOD + "    path: nowhere\n", "data.0.path: `nowhere` does not exist"),
        (
            GOOD.replace("nli_sample", "nsmc") + "    revision: main\n",
            "data.0.revision: `main` is not a commit of the hub; give its 40",
        ),
        (
            GOOD + f"    revision: {'a' * 40}\n",
            "data.0.revision: nli_sample is not on the hub; leave it out",
        ),
        (
            GOOD.replace("nli_sample", "nsmc") + f"    path: .\n    revision: {'a' * 40}\n",
            "data.0.revision: a local copy has no commit; give only one of `path`",
        ),
        (GOOD + "    form: lable\n", "data.0.form: unknown form `lable`; did you mean label?"),
        (
            GOOD.replace("nli_sample", "korquad") + "    form: label\n",
            "data.0.form: unknown form `label`; known: answer",
        ),
        (GOOD + "    form: 3\n", "data.0.form: input should be a valid string, found `3`"),
        (GOOD + "    samples: 0\n", "data.0.samples: input should be greater than 0"),
        ("model: quickstart-llama\n", "data: missing or empty; add `data:`"),
        ("data: []\nmodel: quickstart-llama\n", "data: must be one entry or more"),
        (GOOD + "seed: true\n", "seed: input should be a valid integer, found `True`"),
        (GOOD + "seed: '5'\n", "seed: input should be a valid integer, found `5`"),
        (GOOD + "seeds: 3\n", "seeds: must be a list, as in [a, b], found `3`"),
        (GOOD + "seeds: []\n", "seeds: 0 seeds; give 1 to 10, or leave the key out"),
        (GOOD + f"seeds: {list(range(11))}\n", "seeds: 11 seeds; give 1 to 10"),
        (GOOD + "seeds: [7, 1, 7]\n", "seeds: 7 is named twice, but trains the same adapter"),
        (GOOD + "seeds: [1, true]\n", "seeds.1: input should be a valid integer, found `True`"),
        (GOOD + "seeds: [-1]\n", "seeds.0: input should be greater than or equal to 0, found `-1`"),
        (GOOD + "seeds: ['5']\n", "seeds.0: input should be a valid integer, found `5`"),
        (GOOD + "seeds: [1]\nseed: 1\n", "seeds: given together with `seed`; keep one"),
        (GOOD.replace("quickstart-llama", "''"), "model: `` is not a preset"),
        (
            GOOD.replace("quickstart-llama", "some/name.git"),
            "model: `some/name.git` is not a preset",
        ),
        (GOOD.replace("quickstart-llama", "x" * 5000), "File name too long"),
        (GOOD + "    path: recipe.yml\n", "data.0.path: `recipe.yml` "),
        (GOOD + "tasks: [klue_nli_ko, klue_nli_ko]\n", "tasks: a task is named twice"),
        (GOOD + "  - source: nli_sample\n", "data: two entries have the same source and form"),
        (
            GOOD + "axolotl:\n  micro_batch_size: 5\n",
            "axolotl.micro_batch_size: 5 does not divide the 16 examples",
        ),
        (
            GOOD + "axolotl:\n  micro_batch_size: -4\n",
            "axolotl.micro_batch_size: must be a number above 0, found `-4`",
        ),
        (GOOD + "axolotl:\n  max_steps: 0\n", "axolotl.max_steps: must be a number above 0"),
        (
            GOOD + "axolotl:\n  learning_rate: fast\n",
            "axolotl.learning_rate: must be a number above 0, found `fast`",
        ),
        (
            GOOD + "axolotl:\n  learning_rate: .nan\n",
            "axolotl.learning_rate: must be a number above 0, found `nan`",
        ),
        (GOOD + "axolotl:\n  comet_api_key: x\n", "axolotl.comet_api_key: a secret has no place"),
        (
            GOOD + "axolotl:\n  trust_remote_code: true\n",
            "axolotl.trust_remote_code: code that comes with a model",
        ),
        (
            GOOD + "axolotl:\n  datasets:\n    - type: alpaca\n",
            "axolotl.datasets.0.type: follows from `data`",
        ),
        (GOOD + "axolotl:\n  datasets: alpaca\n", "axolotl.datasets: expected array"),
        (
            GOOD + "axolotl:\n  gradient_accumulation_steps: 2\n  batch_size: 8\n",
            "axolotl.batch_size: is computed from micro_batch_size and gradient_accumulation_steps",
        ),
        (
            GOOD + "data_path: {korquat: .}\n",
            "data_path: unknown source `korquat`; did you mean korquad?",
        ),
        (
            GOOD + "data_path: {korquad: .}\n",
            "data_path: no task of the recipe scores korquad; leave it out",
        ),
        (
            GOOD + "tasks: [korquad_ko]\ndata_path: {korquad: nowhere}\n",
            "data_path: `nowhere` does not exist; give the folder",
        ),
        (
            GOOD + "data_path: {nli_sample: .}\n",
            "data_path: nli_sample is trained on; give `path` in its entry",
        ),
        (GOOD + "data_path: .\n", "data_path: must be a mapping of `key: value` lines, found `.`"),
        (
            GOOD + "template_kwargs: {messages: 1}\n",
            "template_kwargs: `messages` is set by the libraries that render a chat; leave it out",
        ),
        (
            GOOD + "template_kwargs: {date: 1.5}\n",
            "template_kwargs: `date` is 1.5; give true, false, a whole number or a text",
        ),
        (
            GOOD + "axolotl: {chat_template_kwargs: {x: 1}}\n",
            "axolotl.chat_template_kwargs: kotune sets this from the recipe; use `template_kwargs`",
        ),
        (
            GOOD + "template: lama3\n",
            "template: `lama3` is not a template of kotune's or a file; did you mean llama3?",
        ),
    ],
)
def test_a_mistake_is_told_with_its_key(tmp_path: Path, text: str, told: str) -> None:
    path = write_recipe(tmp_path, text)
    with pytest.raises(RecipeError) as caught:
        reading.load(path)
    assert f"{path}: " in str(caught.value)
    assert told in str(caught.value)


def test_a_misread_number_is_told_with_the_other_problems(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, GOOD + "sead: 1\naxolotl:\n  learning_rate: 2e-4\n")
    with pytest.raises(RecipeError) as caught:
        reading.load(path)
    first, second = str(caught.value).splitlines()
    assert first.endswith(
        "axolotl.learning_rate: YAML reads `2e-4` as text, not a number; write 2.0e-4"
    )
    assert second == f"{path}: sead: unknown key; did you mean seed?"


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, GOOD + "modle: x\nseed: early\naxolotl:\n  lora_rank: 8\n")
    with pytest.raises(RecipeError) as caught:
        reading.load(path)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("name", ["someone/some-model", "Qwen/Qwen2.5-0.5B-Instruct"])
def test_any_hub_id_is_a_model(tmp_path: Path, name: str) -> None:
    assert (
        reading.load(write_recipe(tmp_path, GOOD.replace("quickstart-llama", name))).model == name
    )


def test_any_folder_with_a_model_is_a_model(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not a preset, a hub id"):
        reading.load(write_recipe(tmp_path, GOOD.replace("quickstart-llama", str(tmp_path))))
    (tmp_path / "config.json").write_text("{}")
    assert reading.load(
        write_recipe(tmp_path, GOOD.replace("quickstart-llama", str(tmp_path)))
    ).model == str(tmp_path)


def test_a_key_without_a_value_says_nothing(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, GOOD + "axolotl:\nadapter:\n")
    assert reading.load(path).adapter == "lora"
    assert reading.load(path, ("axolotl.max_steps=3",)).axolotl == {"max_steps": 3}


def test_a_refused_entry_is_told_once(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, "model: quickstart-llama\ndata: [foo]\n")
    with pytest.raises(RecipeError) as caught:
        reading.load(path)
    assert len(str(caught.value).splitlines()) == 1


def test_tasks_default_to_the_task_of_the_source(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, GOOD)
    assert reading.load(path).tasks == ("nli_sample_ko",)
    assert reading.load(path, ("data.0.source=klue_nli",)).tasks == ("klue_nli_ko",)


def test_set_changes_one_key_under_the_same_strict_rules(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, GOOD)
    changed = reading.load(path, ("axolotl.max_steps=60", "adapter=qlora", "data.0.samples=10"))
    assert (changed.axolotl["max_steps"], changed.adapter, changed.data[0].samples) == (
        60,
        "qlora",
        10,
    )


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("seed", "expected key=value"),
        ("=3", "expected key=value"),
        (
            "axolotl.learning_rate=2e-4",
            "--set axolotl.learning_rate:1: .*text, not a number; write 2.0e-4",
        ),
        ("data.7.samples=3", "--set data.7: the list has items 0 to 0"),
        ("data.first.samples=3", "--set data.first: the list has items"),
        ("model.name=x", "a plain value has no keys"),
        ("sead=1", "sead: unknown key; did you mean seed?"),
        ("seeds=3", "seeds: must be a list"),
        ("seeds=[3, 3]", "seeds: 3 is named twice"),
        ("seeds.0=3", "seeds: must be a list"),
        ("seeds=", "seeds: must be a list"),
    ],
)
def test_a_bad_override_is_told(tmp_path: Path, override: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        reading.load(write_recipe(tmp_path, GOOD), (override,))


@pytest.mark.parametrize(
    ("text", "overrides", "seeds"),
    [
        ("", (), (42,)),
        ("seed: 5\n", (), (5,)),
        ("seeds: [5, 42]\n", (), (5, 42)),
        ("seeds: [5, 42]\n", ("seed=7",), (7,)),
        ("seed: 5\n", ("seeds=[7, 8]",), (7, 8)),
        ("seeds: [5, 42]\n", ("seeds.0=7",), (7, 42)),
        ("", ("seeds=[7]", "seed=9"), (9,)),
    ],
)
def test_seeds_are_those_of_the_recipe_or_of_the_last_override(
    tmp_path: Path, text: str, overrides: tuple[str, ...], seeds: tuple[int, ...]
) -> None:
    recipe = reading.load(write_recipe(tmp_path, GOOD + text), overrides)
    assert (recipe.all_seeds(), recipe.seed) == (seeds, seeds[0])


def test_more_seeds_than_the_recipe_names_are_1_2_3_and_on(tmp_path: Path) -> None:
    plain, named = (
        reading.load(write_recipe(tmp_path, GOOD + text)) for text in ("", "seeds: [2, 5]\n")
    )
    assert plain.all_seeds(3) == (42, 1, 2)
    assert named.all_seeds(1) == (2,)
    assert named.all_seeds(4) == (2, 5, 1, 3)


def test_seeds_are_in_no_folders_name_and_in_no_folders_recipe(tmp_path: Path) -> None:
    """So a further seed trains only itself, and a folder of `seed: 42` is found again."""
    one, three = (
        reading.load(write_recipe(tmp_path, GOOD + text)) for text in ("", "seeds: [42, 1, 2]\n")
    )
    assert reading.digest(one, None) == reading.digest(three, None)
    assert one.model_dump() == three.model_dump()


def test_the_digest_changes_with_recipe_override_and_limit(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, GOOD)
    plain = reading.load(path)
    digests = {
        reading.digest(plain, None),
        reading.digest(plain, 10),
        reading.digest(reading.load(path, ("seed=1",)), None),
    }
    assert len(digests) == 3
    assert reading.digest(plain, None) == reading.digest(reading.load(path), None)
