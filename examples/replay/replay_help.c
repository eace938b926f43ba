/* --help, and the end of what is printed. */
#include <stdio.h>

#include <aibrix/aibrix.h>

#include "replay_options.h"
#include "sim/sim_policies.h"
#include "sim/sim_presets.h"

static const char help_text[] =
	"Usage: replay --trace FILE | --generate KIND [options]\n"
	"\n"
	"Replays requests over a fleet of modelled engines with real KV "
	"caches\n"
	"and shows what each routing policy costs.  Time is virtual.\n"
	"\n"
	"What arrives\n"
	"  --trace FILE         Mooncake trace: JSON lines with timestamp "
	"(ms),\n"
	"                       input_length, output_length, hash_ids\n"
	"  --generate KIND      conversation, agent or rag\n"
	"  --requests N         how many (generate: 2000; trace: all)\n"
	"  --seed S             of generated requests and of ties [1]\n"
	"  --load F             arrivals scaled to the fraction F of what the\n"
	"                       fleet can do without hits [0.6]\n"
	"  --speed X            arrivals X times as fast as stated, instead\n"
	"  --pd N:M             policy pd, too: N pods prefill and M decode\n"
	"  --users N            the first user sends as much as all others; "
	"shows what\n"
	"                       those wait in a fair queue, without it, and "
	"if all\n"
	"                       sent alike\n"
	"  --tenants N          who share no prompts; shows what each waits "
	"with the\n"
	"                       others and alone\n"
	"  --churn              pods leave, join and restart\n"
	"  --burst N            eight times N requests come at once and begin "
	"alike, with\n"
	"                       what nobody has asked; shows what they and the "
	"others\n"
	"                       wait, and the others without them\n"
	"  --predict            what was sent to a pod counts as held there\n"
	"  --slow F             the first pod has the fraction F of its speed\n"
	"  --stale MS           counts and metrics of pods reach the gateway "
	"every MS\n"
	"                       milliseconds only [0: its own counts at "
	"once]\n"
	"  --sweep OPTION=A,B,...  all of it for each value of an option that "
	"is\n"
	"                       a number\n"
	"\n"
	"The fleet\n"
	"  --pods N             engines [8]\n"
	"  --preset NAME        GPU and model of a pod [h100-llama3-8b]\n"
	"  --policy A,B,...     routing policies to compare, those below or "
	"several,\n"
	"                       weighted: prefix-cache:6+least-latency:4, or "
	"in\n"
	"                       stages: least-request>prefix-cache\n"
	"                       [random,least-request,prefix-cache,cost]\n"
	"  --queue-weight X     of prefix-cache: what a token that waits "
	"costs, in\n"
	"                       tokens computed again [0.125]\n"
	"  --profile NAME       default, or compat: AIBrix's answers "
	"[default]\n"
	"\n"
	"Caches (sizes take K, M, G, T: powers of 1024)\n"
	"  --block-tokens N     tokens of a block [128]\n"
	"  --gpu-blocks N       blocks in a pod's GPU memory [as the preset]\n"
	"  --block-bytes N      real bytes per block; 0: no L1, no L2 [4K]\n"
	"  --l1-bytes N         of a pod's memory cache [8192 blocks]\n"
	"  --evict A,B,...      eviction orders of L1 to compare: lru, "
	"s3fifo,\n"
	"                       fifo, arc, sieve, auto, density [lru]\n"
	"  --l2 WHAT            store that all pods share: none, mem, "
	"file:DIR,\n"
	"                       or the URL of a Redis or Valkey, as in\n"
	"                       redis://HOST:6379, redis-cluster://HOST:6379,\n"
	"                       unix:///run/redis.sock [mem]\n"
	"  --l2-bytes N         of that store [131072 blocks]\n"
	"  --l2-fault WHAT      L2 answers in virtual time and is slow, hang, "
	"flap or\n"
	"                       none of it, each pod over a link of its own; "
	"shows\n"
	"                       what that costs against no L2.  slow@0.5: from "
	"half\n"
	"                       of the time on [@0.25]\n"
	"  --l2-gbps LIST       speed of each pod's network in Gbit/s, in "
	"virtual time;\n"
	"                       several: a sweep [the preset's 80]\n"
	"  --measure            loads take what this machine's memory and L2\n"
	"                       need, measured, instead of the preset's times\n"
	"\n"
	"  --json               one JSON object per policy on stdout\n"
	"  --help               this text\n"
	"\n"
	"Policies:\n ";

void
replay_help_print(void)
{
	const char *text;
	const char *name;

	fputs(help_text, stdout);
	for (uint32_t i = 0; (name = aibrix_route_strategy(i)); i++)
		printf("%s%s", i % 4 ? " " : i ? "\n  " : " ", name);
	for (uint32_t i = 0; (name = sim_policy_name(i)); i++)
		printf("%s%s", i ? " " : "\n  ", name);
	puts("\n\nPresets:");
	for (size_t i = 0; (name = sim_preset_name(i, &text)); i++)
		printf("  %-20s %s\n", name, text);
}

/* A full pipe or disk behind stdout is a failure like any other. */
int
replay_output_end(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	perror("replay: output");
	return -1;
}
