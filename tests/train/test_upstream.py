"""Every fault that kotune.train.upstream mends is still in the installed version, and is mended.

A test that fails here after an upgrade says that its function may go.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kodata.progress import Progress
from kotune.models import presets
from kotune.recipe import reading
from kotune.runs.folder import write_text
from kotune.train import config, upstream
from kotune.worker import meter
from tests.conftest import ROOT

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


class Summed(torch.nn.Module):  # type: ignore[name-defined]
    """One weight. Its loss is NaN in the steps `nan`."""

    def __init__(self, nan: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.nan, self.steps = nan, 0

    def forward(self, number: Any, **_: Any) -> dict[str, Any]:
        self.steps += 1
        return {
            "loss": (
                (self.weight * number).mean() * (float("nan") if self.steps in self.nan else 1.0)
            )
        }


def trainer(folder: Path, model: Any, **more: Any) -> Any:
    """transformers' own, over an epoch of eight steps."""
    more = {
        "max_steps": 2,
        "save_steps": 2,
        "logging_steps": 1,
        "report_to": [],
        "use_cpu": True,
        **more,
    }
    arguments = transformers.TrainingArguments(
        str(folder), per_device_train_batch_size=1, disable_tqdm=True, **more
    )
    rows = [{"number": float(number)} for number in range(8)]
    return transformers.Trainer(model, arguments, train_dataset=rows, eval_dataset=rows)


@pytest.mark.parametrize(("mend", "steps"), [(lambda _: None, 3), (upstream.stop_at_max_steps, 2)])
@pytest.mark.slow
def test_transformers_makes_a_step_more_than_max_steps_when_it_resumes_there(
    mend: Callable[[Any], None], steps: int, tmp_path: Path
) -> None:
    trainer(tmp_path, Summed()).train()
    resumed = trainer(tmp_path, Summed())
    mend(resumed)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert resumed.state.global_step == steps


@pytest.mark.parametrize(("more", "is_hidden"), [({}, True), (upstream.log_every_loss(), False)])
def test_transformers_hides_a_loss_that_is_nan(
    more: dict[str, Any], is_hidden: bool, tmp_path: Path
) -> None:
    trained = trainer(tmp_path, Summed(nan=(2,)), save_strategy="no", **more)
    trained.train()
    losses = [torch.tensor(log["loss"]) for log in trained.state.log_history if "loss" in log]
    assert [bool(torch.isfinite(loss)) for loss in losses] == [True, is_hidden]


def test_lm_eval_rounds_the_log_likelihoods_of_a_16_bit_model_so_that_choices_tie() -> None:
    huggingface = pytest.importorskip("lm_eval.models.huggingface")
    from kotune.score.harness import load_task
    from kotune.score.model import load_base
    from kotune.score.scoring import evaluated

    base = presets.find("quickstart-llama", None).base
    precise = {"base_precision": "float32", "compute_dtype": "float32", "model_revision": None}
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = presets.TEMPLATES["llama3"].read_text(encoding="utf-8")

    def answers(dtype: str, **more: Any) -> list[list[float]]:
        plain = load_base(base, {**precise, "base_precision": dtype, "compute_dtype": dtype})
        with torch.no_grad():  # its choices get nearly equal logits
            plain.model.norm.weight.mul_(0.05)
        model = huggingface.HFLM(pretrained=plain, tokenizer=tokenizer, batch_size=32, **more)
        return [
            sample["logprobs"] for sample in evaluated(load_task("nli_sample_ko"), model, 90)[1]
        ]

    def ties(found: list[list[float]]) -> int:
        return sum(len(set(choices)) < len(choices) for choices in found)

    rounded, exact, whole = (
        answers("bfloat16"),
        answers("bfloat16", **upstream.float32_softmax_arguments()),
        answers("float32"),
    )
    # The logits themselves are rounded, too.
    assert ties(rounded) > 10 * ties(exact) and ties(whole) == 0
    best = [
        [max(range(3), key=choices.__getitem__) for choices in found]
        for found in (rounded, exact, whole)
    ]
    changed = [sum(a != b for a, b in zip(one, best[2], strict=True)) for one in best[:2]]
    assert changed[1] < changed[0]


@pytest.mark.parametrize(
    "asked", [{"eval_steps": 0.5}, {"eval_strategy": "epoch"}, {"eval_strategy": "no"}]
)
def test_axolotl_evaluates_before_the_first_step(asked: dict[str, Any]) -> None:
    base = pytest.importorskip("axolotl.core.builders.base")
    keys = (
        "save_steps",
        "save_strategy",
        "save_total_limit",
        "val_set_size",
        "eval_steps",
        "eval_strategy",
    )
    builder = SimpleNamespace(
        cfg=SimpleNamespace(**{**dict.fromkeys(keys), **asked}), eval_dataset=[1]
    )
    made: dict[str, Any] = {}
    base.TrainerBuilderBase._configure_save_and_eval_strategy(builder, made)
    assert made["eval_on_start"] and not {**made, **upstream.start_with_training()}["eval_on_start"]


@pytest.mark.parametrize(
    ("asked", "mended", "steps"),
    [
        ({"eval_strategy": "no"}, False, []),
        (
            {"eval_strategy": "no"},
            True,
            [4],
        ),  # as one evaluation an epoch comes to be, where there is one epoch
        ({"eval_strategy": "steps", "eval_steps": 2}, True, [2, 4]),
        ({"eval_strategy": "steps", "eval_steps": 3}, True, [3, 4]),
    ],
)
def test_a_training_without_evaluations_has_one_after_its_last_step(
    asked: dict[str, Any], mended: bool, steps: list[int], tmp_path: Path
) -> None:
    class Evaluation(transformers.TrainerCallback):  # type: ignore[name-defined]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            upstream.evaluate_at_the_end(SimpleNamespace(eval_strategy=None), state, control)

    trained = trainer(tmp_path, Summed(), max_steps=4, save_strategy="no", **asked)
    if mended:
        trained.add_callback(Evaluation())
    trained.train()
    assert [log["step"] for log in trained.state.log_history if "eval_runtime" in log] == steps


def test_who_says_no_evaluation_has_none_and_an_epochs_end_is_not_evaluated_twice() -> None:
    for strategy in ("no", False, "epoch"):
        control = SimpleNamespace(should_evaluate=False)
        upstream.evaluate_at_the_end(
            SimpleNamespace(eval_strategy=strategy),
            SimpleNamespace(global_step=4, max_steps=4),
            control,
        )
        assert not control.should_evaluate


def rendered(template: str) -> str:
    """What a chat template makes of no messages."""
    from transformers.utils.chat_template_utils import render_jinja_template

    return str(render_jinja_template([[]], chat_template=template)[0][0])


def test_transformers_lets_a_chat_template_read_todays_date() -> None:
    """The fact is that templates see the machine's clock; the parity tests show what a dated
    template would break."""
    template = "{{ strftime_now('%Y-%m-%d') }}"
    before = rendered(template)
    with upstream.another_day():
        later = rendered(template)
    days = [datetime.fromisoformat(text) for text in (before, later, rendered(template))]
    assert abs((datetime.now() - days[0]).days) <= 1
    assert (days[1] - days[0]).days in (400, 401)
    assert (days[2] - days[0]).days in (0, 1)


def test_trackio_takes_no_bucket_although_transformers_names_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trackio = pytest.importorskip("trackio", reason="trackio cannot be imported here")
    from transformers.integrations import TrackioCallback

    state = SimpleNamespace(is_world_process_zero=True)
    arguments = transformers.TrainingArguments("nowhere", project="ko", use_cpu=True, report_to=[])
    with pytest.raises(TypeError, match="bucket_id"):
        TrackioCallback().setup(arguments, state, SimpleNamespace())
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(trackio, "init", lambda **named: asked.append(named))
    upstream.drop_bucket_id()
    trackio.init(project="ko", bucket_id=None)
    assert asked == [{"project": "ko"}]


@pytest.mark.parametrize(
    ("mend", "embeddings"), [(lambda: None, 40), (upstream.keep_embeddings, 32)]
)
def test_axolotl_adds_embeddings_for_tokens_without_one(
    mend: Callable[[], None], embeddings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaders = pytest.importorskip("axolotl.loaders.model").ModelLoader
    monkeypatch.setattr(loaders, "_resize_token_embeddings", loaders._resize_token_embeddings)
    mend()
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 32}
    config = transformers.LlamaConfig(**sizes, num_attention_heads=1, tie_word_embeddings=True)
    loader = object.__new__(loaders)
    loader.model, loader.tokenizer = transformers.LlamaForCausalLM(config), range(40)
    loader.model_config = config
    loader.cfg = SimpleNamespace(
        resize_token_embeddings_to_32x=None, shrink_embeddings=None, mean_resizing_embeddings=False
    )
    loader._resize_token_embeddings()
    assert loader.model.get_input_embeddings().num_embeddings == embeddings
    assert loader.model.lm_head.weight is loader.model.get_input_embeddings().weight


def layer() -> Any:
    """One NF4 layer with random weights."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    torch.manual_seed(0)
    made = bitsandbytes.nn.Linear4bit(
        64, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4"
    )
    return made.requires_grad_(False).to("cpu")


def test_bitsandbytes_has_a_second_kernel_for_a_cpu() -> None:
    """The fact behind the fault below, on every machine."""
    assert hasattr(layer(), "support_avx512bf16_for_cpu")


@pytest.mark.parametrize(
    ("mend", "is_lost"), [(lambda _: None, True), (upstream.hold_kernels, False)]
)
def test_bitsandbytes_loses_a_layers_gradient_after_an_evaluation(
    mend: Callable[[Any], None], is_lost: bool
) -> None:
    made = layer()
    if not made.support_avx512bf16_for_cpu:
        pytest.skip("only on a CPU with AVX512-BF16")
    mend(made)
    made.eval()(torch.ones(2, 64))
    given = torch.ones(2, 64, requires_grad=True)
    made.train()(given * 2).sum().backward()
    assert (given.grad is None) == is_lost


ROWS = [{"input_ids": [1, 2], "labels": [1, 2], "attention_mask": [1, 1]}] * 32


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Axolotl's own cfg of a recipe that names a project for trackio, without our plugin; `more`
    keys are laid over it."""
    pytest.importorskip("axolotl")
    from axolotl.cli.config import load_cfg
    from axolotl.integrations.base import PluginManager

    # Ours may be registered by another test of this process.
    monkeypatch.setattr(PluginManager, "_instance", None)
    monkeypatch.chdir(tmp_path)
    recipe = reading.load(
        ROOT / "recipes" / "quickstart_llama.yml", ("axolotl.trackio_project_name=ko",)
    )
    template = presets.find(recipe.model, None).template
    assert template
    write_text(tmp_path / "chat_template.jinja", template.read_text(encoding="utf-8"))

    def load(**more: Any) -> Any:
        keys = {**config.config(recipe, "cpu"), "plugins": [], **more}
        write_text(
            tmp_path / "axolotl.yml",
            json.dumps({key: keys[key] for key in keys if keys[key] is not None}),
        )
        return load_cfg("axolotl.yml")

    return load


def axolotls_trainer(cfg: Any) -> Any:
    """The trainer that Axolotl makes of a cfg, model and adapter in it."""
    from axolotl.common.datasets import TrainDatasetMeta
    from axolotl.train import setup_model_and_trainer
    from datasets import Dataset

    rows = Dataset.from_list(ROWS)
    return setup_model_and_trainer(cfg, TrainDatasetMeta(rows, rows, 2))[0]


@pytest.mark.parametrize(
    ("mend", "is_alike"), [(lambda _: None, False), (upstream.seed_adapter, True)]
)
@pytest.mark.slow
def test_axolotl_does_not_seed_the_adapter(
    mend: Callable[[Any], None], is_alike: bool, configured: Callable[..., Any]
) -> None:
    adapters = []
    for number in (1, 2):
        torch.manual_seed(number)  # as in two processes
        cfg = configured()
        mend(cfg)
        model = axolotls_trainer(cfg).model
        adapters.append(
            {name: weight for name, weight in model.named_parameters() if "lora_A" in name}
        )
    assert adapters[0]
    assert (
        all(torch.equal(weight, adapters[1][name]) for name, weight in adapters[0].items())
        == is_alike
    )


def test_axolotl_hands_neither_trackios_project_nor_losses_that_are_nan_on(
    configured: Callable[..., Any],
) -> None:
    pytest.importorskip("trackio", reason="trackio cannot be imported here")
    cfg = configured()
    arguments = axolotls_trainer(cfg).args
    assert (arguments.project, arguments.logging_nan_inf_filter) == ("huggingface", True)
    assert upstream.name_trackio_project(cfg) == {"project": "ko"}
    assert upstream.name_trackio_project(SimpleNamespace(trackio_project_name=None)) == {}


def test_axolotl_ignores_batch_size(configured: Callable[..., Any]) -> None:
    keys = {"batch_size": 16, "micro_batch_size": 4}
    assert configured(**keys, gradient_accumulation_steps=None).gradient_accumulation_steps == 1
    split = upstream.split_batch(keys)
    assert split == {"micro_batch_size": 4, "gradient_accumulation_steps": 4}
    assert configured(**split).gradient_accumulation_steps == 4


@pytest.fixture
def second_of_two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment of the second of two processes without a GPU. The first is not there: a group
    of one is real."""
    from accelerate.state import AcceleratorState

    numbers = {
        "RANK": "1",
        "LOCAL_RANK": "1",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1",
    }
    for name, value in {
        **numbers,
        "MASTER_ADDR": "nowhere",
        "MASTER_PORT": "1",
        "ACCELERATE_USE_CPU": "",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ACCELERATE_USE_CPU")
    start = torch.distributed.init_process_group
    group = {"store": torch.distributed.HashStore(), "rank": 0, "world_size": 1}
    monkeypatch.setattr(
        torch.distributed, "init_process_group", lambda *_, **__: start("gloo", **group)
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    yield
    torch.distributed.destroy_process_group()
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.usefixtures("second_of_two")
def test_axolotl_takes_a_rank_for_the_number_of_a_gpu_and_accelerate_leaves_each_process_alone(
    configured: Callable[..., Any],
) -> None:
    cfg = configured()
    assert (cfg.device, cfg.device_map) == ("cpu", {"": 1})
    assert (
        transformers.TrainingArguments("nowhere", report_to=[]).parallel_mode.name == "NOT_PARALLEL"
    )
    upstream.train_together_on_cpu(cfg)
    assert cfg.device_map == {"": "cpu"}
    assert (
        transformers.TrainingArguments("nowhere", report_to=[]).parallel_mode.name == "DISTRIBUTED"
    )


def test_torch_restores_nothing_to_a_cpu_that_has_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As transformers asks it to where accelerate numbered the CPUs of processes that train
    together."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(
        torch.serialization, "_package_registry", [*torch.serialization._package_registry]
    )
    torch.save({"step": torch.ones(2)}, tmp_path / "optimizer.pt")
    place = {"map_location": torch.device("cpu:1"), "weights_only": True}
    for alone in ({"world_size": 1, "device": "cpu"}, {"world_size": 2, "device": "cuda:1"}):
        upstream.restore_on_cpu(SimpleNamespace(**alone))
    with pytest.raises(RuntimeError, match="don't know how to restore data location"):
        torch.load(tmp_path / "optimizer.pt", **place)
    upstream.restore_on_cpu(SimpleNamespace(world_size=2, device="cpu"))
    assert torch.load(tmp_path / "optimizer.pt", **place)["step"].tolist() == [1, 1]


@pytest.mark.parametrize("number", ["", "0"])
def test_axolotl_saves_its_data_with_worker_processes_although_there_are_to_be_none(
    number: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mended by a variable of kotune.worker.environment."""
    pytest.importorskip("axolotl")
    from axolotl.utils.data.shared import save_preprocessed_dataset
    from axolotl.utils.dict import DictDefault

    class Rows:
        def __len__(self) -> int:
            return 10_000

        def save_to_disk(self, _: str, num_proc: int, **__: Any) -> None:
            self.workers = num_proc

    monkeypatch.setenv("AXOLOTL_DATASET_NUM_PROC", number)
    cfg, rows = DictDefault(dataset_num_proc=0, dataset_prepared_path=str(tmp_path)), Rows()
    save_preprocessed_dataset(cfg, rows, "0", "train")
    assert (rows.workers == 0) == (number == "0")


def test_nothing_heavy_is_imported_with_the_module() -> None:
    heavy = (
        "{'torch', 'transformers', 'axolotl', 'datasets', 'trackio', 'bitsandbytes', 'accelerate'}"
    )
    text = f"import sys, kotune.train.upstream; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", text], cwd=ROOT, check=False).returncode == 0


def test_evaluations_are_counted_in_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("axolotl")
    from kotune.train.plugin import Evaluation

    monkeypatch.chdir(tmp_path)
    told: list[Progress] = []
    write = meter.Meter._write

    def recorded(self: meter.Meter) -> None:
        told.append(self._now)
        write(self)

    monkeypatch.setattr(meter.Meter, "_write", recorded)
    trained = trainer(
        tmp_path, Summed(), max_steps=2, save_strategy="no", eval_strategy="steps", eval_steps=1
    )
    trained.add_callback(Evaluation(SimpleNamespace(eval_strategy="steps")))
    trained.train()
    rows = len(trained.eval_dataset)
    for step in (1, 2):
        of_step = [each for each in told if each.what == str(step)]
        assert [each.done for each in (of_step[0], of_step[-1])] == [0, rows]
        assert {(each.total, each.unit) for each in of_step} == {(rows, "rows")}
    assert meter.read(tmp_path) == told[-1]
