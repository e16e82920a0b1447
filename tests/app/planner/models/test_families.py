"""Models taken apart: every element is counted as the model's own code has it, and caches are as wide as it keeps them."""

from typing import Any

import pytest
from pydantic import JsonValue

from app.errors import Invalid
from app.planner.models import families
from app.planner.models.families import FAMILIES

SMALL: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
}
EXPERTS = {"num_experts": 6, "num_local_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 48}
OWN: dict[str, dict[str, Any]] = {
    "qwen3": {"head_dim": 24},
    "qwen3_moe": EXPERTS | {"head_dim": 24},
    "mixtral": {"num_local_experts": 6, "num_experts_per_tok": 2},
    "gemma": {"head_dim": 32},
    "gemma2": {"head_dim": 32, "sliding_window": 8},
    "gemma3_text": {"head_dim": 32, "sliding_window": 8, "sliding_window_pattern": 3},
    "gpt2": {"n_embd": 64, "n_layer": 5, "n_head": 4, "n_positions": 128, "vocab_size": 320},
    "gpt_neox": {"num_key_value_heads": None},
    "cohere2": {"sliding_window": 8, "sliding_window_pattern": 2},
    "gpt_oss": {"head_dim": 24, "num_local_experts": 6, "num_experts_per_tok": 2, "sliding_window": 8},
    "granitemoehybrid": {
        "num_local_experts": 6, "num_experts_per_tok": 2, "shared_intermediate_size": 40, "mamba_n_heads": 8,
        "mamba_d_state": 16, "mamba_d_head": 16, "mamba_n_groups": 2,
        "layer_types": ["linear_attention", "linear_attention", "full_attention", "linear_attention", "full_attention"],
    },
    "phi": {},
    "falcon": {"num_kv_heads": 2, "new_decoder_architecture": True},
    "opt": {"ffn_dim": 96, "max_position_embeddings": 128, "word_embed_proj_dim": 64},
    "bloom": {"n_layer": 5, "n_head": 4, "vocab_size": 320, "hidden_size": 64},
    "deepseek_v3": {
        "q_lora_rank": 24, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 12, "v_head_dim": 12,
        "n_routed_experts": 8, "n_shared_experts": 2, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
        "first_k_dense_replace": 2, "n_group": 2, "topk_group": 1, "num_key_value_heads": 4,
    },
}  # fmt: skip


def config_of(family: str, **changed: Any) -> Any:
    transformers = pytest.importorskip("transformers")
    own = OWN.get(family, {})
    values = (own if family in ("gpt2", "bloom") else SMALL | own) | changed
    return transformers.AutoConfig.for_model(
        family, **{name: value for name, value in values.items() if value is not None}
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [True, False])
def test_every_element_is_counted(family: str, tied: bool) -> None:
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    config = config_of(family, tie_word_embeddings=tied)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    found = families.read(config.to_dict())
    assert found.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert found.tied is tied


VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("falcon", {"num_kv_heads": None, "new_decoder_architecture": False, "multi_query": True}),
    ("falcon", {"num_kv_heads": None, "new_decoder_architecture": False, "multi_query": False, "parallel_attn": False, "alibi": True, "bias": True}),
    ("falcon", {"num_ln_in_parallel_attn": 1}),
    ("stablelm", {"use_parallel_residual": True, "use_qkv_bias": True}),
    ("stablelm", {"qk_layernorm": True}),
    ("phi", {"qk_layernorm": True}),
    ("opt", {"do_layer_norm_before": False, "enable_bias": False}),
    ("starcoder2", {"use_bias": False}),
    ("llama", {"attention_bias": True, "mlp_bias": True}),
    ("qwen2", {"head_dim": 24}),
    ("granitemoehybrid", {"num_local_experts": 0, "mamba_proj_bias": True, "mamba_conv_bias": False}),
    ("gpt_oss", {"attention_bias": False}),
]  # fmt: skip
"""Settings by which models of a family differ."""


@pytest.mark.parametrize(("family", "changed"), VARIANTS)
def test_every_element_of_variants_is_counted(family: str, changed: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    config = config_of(family, **changed)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    assert families.read(config.to_dict()).parameters == sum(each.numel() for each in model.parameters())


PUBLISHED: dict[str, tuple[dict[str, JsonValue], int, int]] = {
    "Llama 2 7B": ({"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32000, "tie_word_embeddings": False}, 6_738_415_616, 524_288),
    "Llama 3.1 8B": ({"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False}, 8_030_261_248, 131_072),
    "Llama 3.1 70B": ({"model_type": "llama", "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False}, 70_553_706_496, 327_680),
    "Llama 3.2 1B": ({"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256, "tie_word_embeddings": True}, 1_235_814_400, 32_768),
    "Mistral 7B": ({"model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "sliding_window": 4096}, 7_241_732_096, 131_072),
    "Mixtral 8x7B": ({"model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2, "vocab_size": 32000}, 46_702_792_704, 131_072),
    "Qwen2.5 7B": ({"model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": False}, 7_615_616_512, 57_344),
    "Qwen3 8B": ({"model_type": "qwen3", "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936, "tie_word_embeddings": False}, 8_190_735_360, 147_456),
    "Gemma 2B": ({"model_type": "gemma", "hidden_size": 2048, "intermediate_size": 16384, "num_hidden_layers": 18, "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 256, "vocab_size": 256000}, 2_506_172_416, 18_432),
    "Gemma 2 9B": ({"model_type": "gemma2", "hidden_size": 3584, "intermediate_size": 14336, "num_hidden_layers": 42, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 256, "sliding_window": 4096, "vocab_size": 256000}, 9_241_705_984, 344_064),
    "Phi-3 mini": ({"model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32064, "sliding_window": 2047}, 3_821_079_552, 393_216),
    "GPT-2": ({"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50257}, 124_439_808, 36_864),
    "Pythia 1B": ({"model_type": "gpt_neox", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 8, "vocab_size": 50304}, 1_011_781_632, 131_072),
    "GPT-OSS 20B": ({"model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 24, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "num_local_experts": 32, "num_experts_per_tok": 4, "vocab_size": 201088, "sliding_window": 128, "tie_word_embeddings": False, "attention_bias": True}, 20_914_757_184, 24_576),
    "Falcon 40B": ({"model_type": "falcon", "hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128, "num_kv_heads": 8, "new_decoder_architecture": True, "vocab_size": 65024, "tie_word_embeddings": False}, 41_835_970_560, 122_880),
    "Falcon 7B": ({"model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71, "multi_query": True, "vocab_size": 65024}, 6_921_720_704, 8_192),
    "Command R7B": ({"model_type": "cohere2", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 256000, "sliding_window": 4096}, 8_028_033_024, 131_072),
    "GLM 4 9B": ({"model_type": "glm4", "hidden_size": 4096, "intermediate_size": 13696, "num_hidden_layers": 40, "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "vocab_size": 151552, "tie_word_embeddings": False, "attention_bias": True}, 9_400_279_040, 40_960),
    "Granite 4 H Tiny": ({"model_type": "granitemoehybrid", "hidden_size": 1536, "intermediate_size": 512, "shared_intermediate_size": 1024, "num_hidden_layers": 40, "num_attention_heads": 12, "num_key_value_heads": 4, "num_local_experts": 64, "num_experts_per_tok": 6, "vocab_size": 100352, "tie_word_embeddings": True, "mamba_n_heads": 48, "mamba_d_state": 128, "mamba_n_groups": 1, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_conv_bias": True, "mamba_proj_bias": False, "layer_types": ["attention" if layer % 10 == 5 else "mamba" for layer in range(40)]}, 6_939_037_248, 8_192),
    "StarCoder 2 7B": ({"model_type": "starcoder2", "hidden_size": 4608, "intermediate_size": 18432, "num_hidden_layers": 32, "num_attention_heads": 36, "num_key_value_heads": 4, "vocab_size": 49152, "sliding_window": 4096}, 7_173_923_840, 65_536),
    "Phi 2": ({"model_type": "phi", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 51200, "tie_word_embeddings": False}, 2_779_683_840, 327_680),
    "StableLM 2 1.6B": ({"model_type": "stablelm", "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 24, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 100352, "use_qkv_bias": True, "tie_word_embeddings": False}, 1_644_515_328, 196_608),
    "OPT 6.7B": ({"model_type": "opt", "hidden_size": 4096, "ffn_dim": 16384, "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 50272, "max_position_embeddings": 2048}, 6_658_473_984, 524_288),
    "BLOOM 7B1": ({"model_type": "bloom", "hidden_size": 4096, "n_layer": 30, "n_head": 32, "vocab_size": 250880}, 7_069_016_064, 491_520),
    "DeepSeek V3": ({"model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_hidden_layers": 61, "num_attention_heads": 128, "vocab_size": 129280, "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 3}, 671_026_404_352, 70_272),
}  # fmt: skip
"""Configurations as published, the parameters that their models have, and bytes that they keep of the thousandth token in BF16."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models(name: str) -> None:
    config, parameters, of_a_token = PUBLISHED[name]
    found = families.read(config)
    assert found.parameters == parameters
    assert 2 * (found.cache_elements(1_000) - found.cache_elements(999)) == of_a_token


def test_windows_keep_no_more_than_they_are_wide() -> None:
    found = families.read(PUBLISHED["Gemma 2 9B"][0])
    assert found.cache_elements(8_192) - found.cache_elements(4_096) == 21 * 4_096 * 2 * 8 * 256
    mistral = families.read(PUBLISHED["Mistral 7B"][0])
    assert mistral.cache_elements(100_000) == mistral.cache_elements(4_096)


def test_a_state_is_as_large_for_any_number_of_tokens() -> None:
    """Of Granite 4, four layers attend; 36 keep 48 heads of 64 × 128 elements and four columns of their convolution."""
    found = families.read(PUBLISHED["Granite 4 H Tiny"][0])
    state = 36 * (48 * 64 * 128 + (2 * 1_536 + 2 * 128) * 4)
    assert found.cache_elements(1) == state + 4 * 2 * 4 * 128
    assert found.cache_elements(10_000) == state + 10_000 * 4 * 2 * 4 * 128


def test_layers_of_a_hybrid_have_to_be_named() -> None:
    with pytest.raises(Invalid) as refused:
        families.read(PUBLISHED["Granite 4 H Tiny"][0] | {"layer_types": ["attention"]})
    assert refused.value.field == "layer_types"
    assert refused.value.hint


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"model_type": "resnet"}, "model_type"),
        ({"model_type": None}, "model_type"),
        ({"hidden_size": None}, "hidden_size"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"num_hidden_layers": "32"}, "num_hidden_layers"),
        ({"vocab_size": True}, "vocab_size"),
        ({"intermediate_size": 2**50}, "intermediate_size"),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, JsonValue], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        families.read(PUBLISHED["Llama 3.1 8B"][0] | changed)
    assert refused.value.field == field
    assert refused.value.hint


def test_the_language_part_of_a_model_of_several() -> None:
    inner = PUBLISHED["Llama 3.1 8B"][0]
    assert families.read({"model_type": "some_vision_model", "text_config": inner}).parameters == 8_030_261_248
