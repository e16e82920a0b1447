"""Models, devices and situations that the guide's tests ask about."""

from pydantic import JsonValue

from app.guide.advice import Advice, advise
from app.guide.situation import Decoder, ImageModel, Situation, Task
from app.planner.machines import of_title
from app.planner.models import families

LLAMA: dict[str, JsonValue] = {"model_type": "llama", "torch_dtype": "bfloat16", "max_position_embeddings": 131_072}


def decoder(
    name: str, *, hidden: int, ffn: int, layers: int, heads: int, kv_heads: int, words: int, tied: bool = False
) -> Decoder:
    """A decoder of the Llama family from its sizes."""
    config: dict[str, JsonValue] = {
        **LLAMA, "hidden_size": hidden, "intermediate_size": ffn, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "vocab_size": words, "tie_word_embeddings": tied,
    }  # fmt: skip
    return Decoder(name=name, anatomy=families.read(config))


LLAMA_1B = decoder("Llama-3.2-1B", hidden=2_048, ffn=8_192, layers=16, heads=32, kv_heads=8, words=128_256, tied=True)
LLAMA_7B = decoder("Llama-2-7B", hidden=4_096, ffn=11_008, layers=32, heads=32, kv_heads=32, words=32_000)
LLAMA_8B = decoder("Llama-3.1-8B", hidden=4_096, ffn=14_336, layers=32, heads=32, kv_heads=8, words=128_256)
LLAMA_65B = decoder("LLaMA-65B", hidden=8_192, ffn=22_016, layers=80, heads=64, kv_heads=64, words=32_000)
MOBILENET = ImageModel(
    name="MobileNet-V2", parameters=3.5e6, flops=6.0e8, activations=6.7e6, operators=155, depthwise=True
)
RESNET = ImageModel(name="ResNet-50", parameters=25.6e6, flops=8.2e9, activations=11.1e6, operators=175)
SERVER = 64 * 2**30
"""Bytes of a server's memory."""

QLORA_ON_4060 = Situation(
    task="finetune", model=LLAMA_8B, device=of_title("GeForce RTX 4060"), batch=4, sequence=2_048, stack=("qlora", "checkpointing"),
)  # fmt: skip
TRAINING_ON_T4 = Situation(task="finetune", model=LLAMA_1B, device=of_title("T4"), sequence=1_024)
SERVING_ON_H200 = Situation(
    task="chat", model=LLAMA_8B, device=of_title("H200 SXM"), batch=64, sequence=2_048, generated=128
)
DECODING_ON_4090 = Situation(
    task="chat", model=LLAMA_8B, device=of_title("GeForce RTX 4090"), sequence=512, generated=256
)
IMAGES_ON_VNNI = Situation(
    task="classify", model=MOBILENET, device=of_title("Server CPU, AVX-512 VNNI, 32 cores", SERVER), batch=32
)
IMAGES_ON_AMX = Situation(task="classify", model=RESNET, device=of_title("Server CPU, AMX, 32 cores", SERVER), batch=32)
PROMPTS_ON_AMX = Situation(
    task="prefill", model=LLAMA_1B, device=of_title("Server CPU, AMX, 32 cores", SERVER), batch=8, sequence=512
)
SMALL_ON_B200 = Situation(task="prefill", model=LLAMA_1B, device=of_title("B200 (HGX)"), sequence=512)
LONG_ON_B200 = Situation(
    task="finetune", model=LLAMA_8B, device=of_title("B200 (HGX)"), sequence=8_192,
    stack=("autocast_bf16", "checkpointing", "chunked_loss"),
)  # fmt: skip
FULL_7B = Situation(task="finetune", model=LLAMA_7B, device=of_title("A100 80GB SXM"), sequence=2_048)
TUNING_ON_4080 = Situation(
    task="finetune", model=LLAMA_8B, device=of_title("GeForce RTX 4080"), batch=4, sequence=1_024, tolerance=0.01
)
CHAT_ON_PI = Situation(task="chat", model=LLAMA_1B, device=of_title("Raspberry Pi 5 8GB"), sequence=256, generated=128)
PRODUCTION_ON_A100 = Situation(
    task="chat", model=LLAMA_8B, device=of_title("A100 80GB SXM"), batch=16, sequence=1_024, generated=256, tolerance=0.01
)  # fmt: skip
QLORA_65B = Situation(
    task="finetune", model=LLAMA_65B, device=of_title("RTX A6000"), sequence=512, stack=("qlora", "checkpointing")
)

ALL: dict[str, Situation] = {
    "qlora on 4060": QLORA_ON_4060,
    "training on t4": TRAINING_ON_T4,
    "serving on h200": SERVING_ON_H200,
    "decoding on 4090": DECODING_ON_4090,
    "images on vnni": IMAGES_ON_VNNI,
    "images on amx": IMAGES_ON_AMX,
    "prompts on amx": PROMPTS_ON_AMX,
    "small on b200": SMALL_ON_B200,
    "long on b200": LONG_ON_B200,
    "full 7b": FULL_7B,
    "tuning on 4080": TUNING_ON_4080,
    "chat on pi": CHAT_ON_PI,
    "production on a100": PRODUCTION_ON_A100,
    "qlora 65b": QLORA_65B,
}
TASKS_OF_DECODERS: tuple[Task, ...] = ("train", "finetune", "chat", "prefill")
ANSWERS: dict[str, Advice] = {}


def advised(situation: Situation) -> Advice:
    """The answer without any measurement, asked for once in all tests of a process."""
    key = situation.model_dump_json(exclude_unset=True)
    if key not in ANSWERS:
        ANSWERS[key] = advise(situation)
    return ANSWERS[key]
