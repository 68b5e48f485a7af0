"""Lists every key of Axolotl's configuration, in three tables:

- ALLOWED: the keys that the `axolotl:` block of a recipe may set
- OWNED: the keys that kotune sets, with the recipe key or option to use instead
- REFUSED: the keys that a recipe may not set, with the reason

A key in none of the tables is an error. So a recipe cannot use a key of a new Axolotl version
before somebody has reviewed the key. tests/recipe/test_axolotl_keys.py compares the tables with
Axolotl's own schema. The keys stand in strings, separated by spaces, to keep the lists short."""

from typing import Any

AxolotlConfig = dict[str, Any]  # keys and values of Axolotl, checked by Axolotl's own schema

# The keys that a recipe may set, by subject. axolotl_values.py checks their values.
GROUPS = {
    "batch and length": (
        """
        auto_find_batch_size batch_flattening batch_size dataloader_drop_last eval_batch_size
        eval_sample_packing eval_sequence_len excess_length_strategy gradient_accumulation_steps
        group_by_length max_packed_sequence_len micro_batch_size multipack_real_batches
        pad_to_multiple_of pad_to_sequence_len sample_packing sample_packing_bin_size
        sample_packing_eff_est sample_packing_group_size sample_packing_mp_start_method
        sample_packing_sequentially sequence_len use_pose pose_max_context_len pose_num_chunks
        pose_split_on_token_ids"""
    ),
    "how long, and when": (
        """
        early_stopping_patience eval_steps eval_strategy evals_per_epoch evaluation_strategy
        greater_is_better load_best_model_at_end logging_steps loss_watchdog_patience
        loss_watchdog_threshold max_steps metric_for_best_model num_epochs save_first_step
        save_only_model save_safetensors save_steps save_strategy save_total_limit
        saves_per_epoch"""
    ),
    "optimizer": (
        """
        adam_beta1 adam_beta2 adam_beta3 adam_epsilon adam_epsilon2 dion_lr dion_momentum
        dion_rank_fraction dion_rank_multiple_of embedding_lr embedding_lr_scale learning_rate
        lr_groups max_grad_norm optim_args optim_target_modules optimizer qgalore_cos_threshold
        qgalore_gamma_proj qgalore_proj_bits qgalore_proj_group_size qgalore_proj_quant
        qgalore_proj_type qgalore_queue_size qgalore_rank qgalore_scale qgalore_update_proj_gap
        weight_decay"""
    ),
    "schedule": (
        """
        cosine_constant_lr_ratio cosine_min_lr_ratio jagged_restart_anneal_steps
        jagged_restart_steps jagged_restart_warmup_steps lr_div_factor lr_quadratic_warmup
        lr_scheduler lr_scheduler_kwargs warmup_ratio warmup_steps"""
    ),
    "adapter": (
        """
        fix_untrained_tokens lora_alpha lora_alpha_pattern lora_dropout lora_embedding_kernel
        lora_fan_in_fan_out lora_mlp_kernel lora_modules_to_save lora_o_kernel lora_on_cpu
        lora_qkv_kernel lora_r lora_rank_pattern lora_target_linear lora_target_modules
        lora_target_parameters loraplus_lr_embedding loraplus_lr_ratio
        peft_autocast_adapter_dtype peft_ensure_weight_tying peft_init_lora_weights
        peft_layers_pattern peft_layers_to_transform peft_trainable_token_indices peft_use_dora
        peft_use_rslora"""
    ),
    "loss and regularization": (
        """
        chunked_cross_entropy chunked_cross_entropy_num_chunks eaft_alpha eaft_k
        flash_attn_cross_entropy neftune_noise_alpha noisy_embedding_alpha train_on_inputs
        use_eaft"""
    ),
    "precision": (
        """
        bf16 bfloat16 embeddings_skip_upcast float16 float32 fp16 fp32_norm_classes fp32_norms
        fp8 fp8_config fp8_enable_fsdp_float8_all_gather tf32"""
    ),
    "attention and speed": (
        """
        attn_implementation eager_attention experts_implementation flash_attn_d512
        flash_attn_fuse_mlp flash_attn_rms_norm flash_optimum flex_attention fused_attn_kernel
        gemma4_hybrid_attn_impl large_head_attention s2_attention sage_attention scaling_softmax
        scaling_softmax_bias scaling_softmax_factor sdp_attention sdpa_varlen tiled_mlp
        tiled_mlp_num_shards tiled_mlp_use_original_mlp torch_compile torch_compile_backend
        torch_compile_mode torch_compile_options xformers_attention"""
    ),
    "memory": (
        """
        activation_offloading experimental_skip_move_to_device gc_collect_steps gc_steps
        gpu_memory_limit gradient_checkpointing gradient_checkpointing_kwargs layer_offloading
        low_cpu_mem_usage max_memory ple_cpu_offload selective_checkpointing
        torch_empty_cache_steps"""
    ),
    "data, once kotune has written it": (
        """
        dataloader_num_workers dataloader_pin_memory dataloader_prefetch_factor
        dataset_exact_deduplication dataset_keep_in_memory dataset_num_proc dataset_processes
        datasets min_sample_len num_dataset_shards_to_save remove_unused_columns role_boundaries
        shuffle_before_merging_datasets shuffle_merged_datasets"""
    ),
    "tokens": (
        """
        added_tokens_overrides default_system_message eot_tokens mean_resizing_embeddings
        special_tokens tokenizer_save_jinja_files tokens"""
    ),
    "several GPUs": (
        """
        accelerator_config context_parallel_size ddp ddp_broadcast_buffers ddp_bucket_cap_mb
        ddp_find_unused_parameters ddp_timeout deepcompile deepspeed device device_map
        dp_replicate_size dp_shard_size fsdp fsdp_config fsdp_final_state_dict_type fsdp_version
        heads_k_stride qlora_sharded_model_loading ring_attn_func sequence_parallel_degree
        tensor_parallel_size"""
    ),
    "logging": (
        """
        comet_experiment_key comet_mode comet_online comet_project_name comet_workspace
        include_tkps include_tokens_per_second mlflow_experiment_name mlflow_run_name
        profiler_steps profiler_steps_start strict trackio_project_name trackio_run_name
        use_comet use_mlflow use_tensorboard use_trackio use_wandb wandb_entity wandb_mode
        wandb_name wandb_project wandb_run_id wandb_watch"""
    ),
}
ALLOWED = {key: group for group, keys in GROUPS.items() for key in keys.split()}

# The Axolotl keys that kotune sets itself, by what to use instead: a key of the recipe, an option
# of `kotune run`, or a second run of the same command.
_OWNED_BY = {
    "model": (
        "base_model is_falcon_derived_model is_llama_derived_model is_mistral_derived_model"
        " is_qwen_derived_model model_type revision_of_model tokenizer_legacy tokenizer_type"
        " tokenizer_use_fast tokenizer_use_mistral_common"
    ),
    "adapter": (
        "adapter bnb_config_kwargs gptq load_in_8bit model_quantization_config"
        " model_quantization_config_kwargs quantize_moe_experts use_onebitllms"
    ),
    "adapter: qlora": "load_in_4bit",
    "template": "chat_template chat_template_jinja",
    "template_kwargs": "chat_template_kwargs",
    "data": (
        "dataset_shard_idx dataset_shard_num is_preprocess preprocess_iterable skip_prepare_dataset"
        " streaming streaming_multipack_buffer_size test_datasets total_num_tokens"
        " total_supervised_tokens val_set_size"
    ),
    "seed": "seed",
    "--runs-dir": "dataset_prepared_path output_dir",
    "the same command again": "auto_resume_from_checkpoints resume_from_checkpoint",
}
OWNED = {key: instead for instead, keys in _OWNED_BY.items() for key in keys.split()}

# Reasons why a recipe may not set a key. A message has the form `axolotl.KEY: REASON`.
CODE = "runs code that is neither kotune's nor Axolotl's and is not accepted in a recipe; remove it"
ELSEWHERE = (
    "reads or downloads something that the run's hash does not cover; remove it and use `model` or"
    " `data`"
)
PUBLISHES = (
    "would publish the model or the data, or serve the model to others; a run publishes nothing;"
    " remove it"
)
HOST = (
    "sets where metrics are sent; remove it and use the environment (MLFLOW_TRACKING_URI,"
    " COMET_URL_OVERRIDE, ...)"
)
SECRET = "a secret has no place in a recipe; remove it and set it in the environment"
OTHER = (
    "selects another kind of training; kotune only trains an adapter on answers, and proves and"
    " scores only that; remove it"
)
BASE = "changes the base model's weights, so base and tuned could no longer be compared; remove it"
SIZE = (
    "changes the size of the embedding, but scoring loads the base model with its own size;"
    " remove it"
)
LAUNCHER = (
    "starts training in another way than as one process in the run folder, and kotune cannot"
    " watch that; remove it"
)
FLASH = (
    "downloads code from the hub if flash_attn is not installed; remove it: kotune uses flash"
    " attention by itself if flash_attn is installed"
)
_REFUSED_FOR = {
    CODE: (
        "eval_causal_lm_metrics do_causal_lm_eval flex_attn_compile_kwargs model_kwargs"
        " processor_kwargs torchdistx_path trainer_cls use_kernels"
    ),
    ELSEWHERE: (
        "axolotl_config_path base_model_config bench_dataset bench_split cls_model_config"
        " do_bench_eval hf_use_auth_token lora_model_dir model_revision pretraining_dataset"
        " tokenizer_config"
    ),
    PUBLISHES: (
        "eval_max_new_tokens eval_table_size generate_samples generation_do_sample"
        " generation_max_new_tokens generation_prompt_ratio generation_temperature generation_top_k"
        " generation_top_p gradio_max_new_tokens gradio_server_name gradio_server_port gradio_share"
        " gradio_temperature gradio_title hf_mlflow_log_artifacts hub_model_id hub_revision"
        " hub_strategy num_generation_samples otel_metrics_host otel_metrics_port"
        " push_dataset_to_hub trackio_space_id use_otel_metrics wandb_log_model"
    ),
    HOST: "comet_experiment_config mlflow_tracking_uri",
    SECRET: "comet_api_key",
    OTHER: (
        "center_rewards_coefficient cpo_alpha curriculum_sampling dpo_beta dpo_generate_during_eval"
        " dpo_label_smoothing dpo_loss_type dpo_loss_weights dpo_norm_loss dpo_padding_free"
        " dpo_use_liger_kernel dpo_use_logits_to_keep dpo_use_weighting ebft freeze_mm_modules"
        " image_resize_algorithm image_size kto_desirable_weight kto_undesirable_weight"
        " lisa_layers_attribute lisa_n_layers lisa_step_interval llama4_linearized_experts"
        " max_prompt_len merge_lora merge_method model_config num_labels orpo_alpha"
        " peft_layer_replication precompute_ref_log_probs pretrain_multipack_attn"
        " pretrain_multipack_buffer_size pretraining_sample_concatenation process_reward_model"
        " processor_type qat quantization reinit_weights relora relora_cpu_offload"
        " relora_prune_method relora_prune_ratio reward_model rl rl_beta rope_scaling rpo_alpha"
        " simpo_gamma trl unfrozen_parameters vllm"
    ),
    BASE: "peft",
    SIZE: "resize_token_embeddings_to_32x shrink_embeddings",
    LAUNCHER: "local_rank ray_num_workers ray_run_name resources_per_worker use_ray world_size",
    FLASH: "flash_attention",
}
# For each Axolotl key that a recipe may not set: the reason, and what to do.
REFUSED = {
    "plugins": "a plugin runs foreign code and is not accepted in a recipe; remove it",
    "trust_remote_code": (
        "code that comes with a model is never run; choose a model type that transformers includes"
    ),
    "dynamic_checkpoint": (
        "Axolotl would delete the file that it names; remove it, and stop a run with Ctrl-C"
    ),
    **{key: reason for reason, keys in _REFUSED_FOR.items() for key in keys.split()},
}
UNREVIEWED = (
    "is an Axolotl key that kotune has not reviewed (kotune/recipe/axolotl_keys.py), so a recipe"
    " may not set it; remove it"
)

# The only keys inside `datasets` that a recipe may set. kotune derives the other keys from `data`,
# and the parity check relies on the derived values.
DATASET_KEYS = ("roles_to_train", "train_on_eos", "train_on_eot")
# The value of some allowed keys is a mapping or a list of mappings, which Axolotl checks with a
# pydantic model. For each such key: the keys that a recipe may set inside the value, at any depth.
NESTED_KEYS = {
    "datasets": DATASET_KEYS,
    "fp8_config": ("recipe",),
    "fsdp_config": (
        "activation_checkpointing",
        "auto_wrap_policy",
        "cpu_offload_pin_memory",
        "cpu_ram_efficient_loading",
        "final_state_dict_type",
        "fsdp_version",
        "min_num_params",
        "mixed_precision_policy",
        "offload_params",
        "reshard_after_forward",
        "state_dict_type",
        "sync_module_states",
        "transformer_layer_cls_to_wrap",
        "use_orig_params",
    ),
    "lr_groups": ("lr", "modules", "name"),
    "role_boundaries": ("end", "include_end", "include_start", "role", "start"),
    "selective_checkpointing": ("offload", "recompute_layer_types", "save", "save_sliding_window"),
    "special_tokens": (
        "additional_special_tokens",
        "bos_token",
        "eos_token",
        "pad_token",
        "unk_token",
    ),
}
