"""Trains with TRL's SFTTrainer and peft, as benchmarks.rivals asks. It runs in TRL's environment,
where nothing of kotune is installed.

    python rival_trl.py SETTINGS"""

import json
import sys
from pathlib import Path


def main(file: str) -> None:
    """Train with the settings in a JSON file, and save the adapter."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    settings = json.loads(Path(file).read_text(encoding="utf-8"))
    lines = Path(settings["rows"]).read_text(encoding="utf-8").splitlines()
    rank = settings["rank"]
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(settings["model"], dtype=torch.float32),
        args=SFTConfig(**settings["arguments"]),
        train_dataset=Dataset.from_list([json.loads(line) for line in lines]),
        processing_class=AutoTokenizer.from_pretrained(settings["model"]),
        peft_config=LoraConfig(
            r=rank,
            lora_alpha=2 * rank,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    )
    trainer.train()
    trainer.save_model()


if __name__ == "__main__":
    main(sys.argv[1])
