"""Profiles in words: by a language model from training histories, or by counting; and the guard against leaks.

prompts = user_prompts(dataset, item_texts)
config = ProfileConfig(SamplingConfig(model="..."), cache=Path("profiles/cache"))
print(estimate(prompts, config).text)
done = run(prompts, config, yes=True)
table = table_of_run(dataset, prompts, config.sampling, done)
write_profiles(table, Path("profiles/users.jsonl"))
"""

from recgoat_jax.encoders.endpoint import EndpointConfig
from recgoat_jax.encoders.profiles.batch_files import BatchReport, read_batch, write_batch
from recgoat_jax.encoders.profiles.completions import SamplingConfig
from recgoat_jax.encoders.profiles.estimate import Estimate, PriceConfig
from recgoat_jax.encoders.profiles.generate import ProfileConfig, estimate, run
from recgoat_jax.encoders.profiles.leak_file import KeptLeakReport, keep_leak_report
from recgoat_jax.encoders.profiles.leakage import LeakConfig, LeakReport, leak_report
from recgoat_jax.encoders.profiles.profile_table import ProfileTable, profile_table, read_profiles, write_profiles
from recgoat_jax.encoders.profiles.prompts import PromptConfig, PromptSet, item_prompts, user_prompts
from recgoat_jax.encoders.profiles.redact import redact
from recgoat_jax.encoders.profiles.run_report import ProfileRun, RunReport, run_origin, table_of_run
from recgoat_jax.encoders.profiles.split_hash import split_hash
from recgoat_jax.encoders.profiles.statistical import StatisticalConfig, statistical_profiles

__all__ = [
    "BatchReport",
    "EndpointConfig",
    "Estimate",
    "KeptLeakReport",
    "LeakConfig",
    "LeakReport",
    "PriceConfig",
    "ProfileConfig",
    "ProfileRun",
    "ProfileTable",
    "PromptConfig",
    "PromptSet",
    "RunReport",
    "SamplingConfig",
    "StatisticalConfig",
    "estimate",
    "item_prompts",
    "keep_leak_report",
    "leak_report",
    "profile_table",
    "read_batch",
    "read_profiles",
    "redact",
    "run",
    "run_origin",
    "split_hash",
    "statistical_profiles",
    "table_of_run",
    "user_prompts",
    "write_batch",
    "write_profiles",
]
