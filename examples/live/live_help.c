/* --help. */
#include <stdio.h>

#include <aibrix/scrape.h>

#include "live/live_options.h"

static const char pods_text[] =
	"Usage: autoscale_live --ports LIST --metric NAME --target X\n"
	"           --command 'CMD {port}' | ... -- CMD {port}\n"
	"\n"
	"Keeps as many engines running on this machine as their metrics ask "
	"for.  Each\n"
	"is a process in a group of its own that serves a metrics page on its "
	"port.\n"
	"Times are 250ms, 10s, 5m, 1h; without a unit, seconds.\n"
	"\n"
	"Pods\n"
	"  --command TEXT       started for each pod; quotes as in a shell, "
	"and no\n"
	"                       shell; {port} is its port, {index} which of "
	"--ports\n"
	"                       it is, from 0 (for a GPU of its own).  Or "
	"the words\n"
	"                       behind a --\n"
	"  --ports LIST         9100-9110,9200: a pod for each at most\n"
	"  --engine NAME        vllm, sglang, trtllm, xllm [vllm]\n"
	"  --path PATH          of the page [/metrics]\n"
	"  --log-dir DIR        what a pod prints goes to DIR/PORT.log [our "
	"stderr]\n"
	"  --grace T            between SIGTERM and SIGKILL [30s]\n"
	"  --start-timeout T    until its first page; then it is started anew "
	"[10m]\n"
	"  --hung T             a ready pod without a page for so long is "
	"started\n"
	"                       anew; 0: it stays [0]\n"
	"  --backoff T          before a pod that died is started again, "
	"twice as\n"
	"                       long each time [1s]\n"
	"  --backoff-max T      and at most; one that lives so long is well "
	"[1m]\n";

static const char decision_text[] =
	"\nDecisions\n"
	"  --metric NAME        what a pod's page is asked for: one of those "
	"below; of\n"
	"                       what only grows NAME:rate, of a histogram "
	"NAME:mean or\n"
	"                       NAME:p95.  May be said 16 times, each with\n"
	"  --target X           what one pod should have of it\n"
	"  --strategy NAME      apa, kpa, hpa, or tpa: see below [apa]\n"
	"  --profile NAME       default, or compat: AIBrix's answers "
	"[default]\n"
	"  --min N, --max N     pods [1, and as many as ports]; 0: see "
	"below\n"
	"  --replicas N         to begin with, where no state says [min]\n"
	"  --tick T             between decisions [10s]\n"
	"  --timeout T          for pages, from the tick on [half of it, 5s]\n"
	"  --fresh T            older pages say nothing any more [3 ticks]\n"
	"  --page-bytes N       longer ones are refused; K, M may follow "
	"[4M]\n"
	"  --stable T           long window [60s], multiple of 10ms\n"
	"  --panic T            short one, of kpa [10s]\n"
	"  --rate-window T      of :rate, :mean, :p95 [60s]\n"
	"  --up-window T        no more pods than were wanted all that time "
	"[0]\n"
	"  --down-window T      no fewer than were wanted within [5m]\n"
	"  --up N/T, --down N%/T  at most so many pods, or so many per cent, "
	"in a\n"
	"                       time; of several the largest [4/15s 100%/15s; "
	"50%/60s]\n"
	"  --up-tolerance X, --down-tolerance X  dead band [0.1; kpa 0]\n"
	"  --schedule TEXT      bounds by the time of day, over midnight too:\n"
	"                       name=day,days=Mon+Tue,start=09:00,end=18:00,"
	"min=2,max=8\n"
	"  --zone NAME          of schedules, as Europe/Berlin [UTC]\n"
	"\nStrategy tpa: by tokens and ahead of time, without --metric.  It "
	"learns how\n"
	"long an engine's steps and a pod's start take.\n"
	"  --ttft T, --itl T    mean times to first token, and between tokens, "
	"wanted\n"
	"  --slots N            requests that a pod runs at once\n"
	"  --step A,B,C         until it is learned, as 10ms,20ms,0.02ms: a "
	"step, what\n"
	"                       a full KV cache adds, what a prompt token "
	"adds\n"
	"  --start-up T         of a pod, until it is seen [2m]\n"
	"  --season T           arrivals repeat after [they do not]\n"
	"\n"
	"Zero: with --min 0 the last pod goes, and comes back for what waits "
	"at a\n"
	"gateway.  As long as the gateway does not tell, the last pod stays.\n"
	"  --gateway-url URL    its metrics page\n"
	"  --gateway-metric NAME  on it, the requests that wait; all its "
	"series are\n"
	"                       added up\n"
	"  --gateway-label NAME=VALUE  only those series; all of several\n"
	"  --zero-grace T       nothing was wanted for so long before [30s]\n"
	"  --activation N       pods out of zero [1]\n"
	"  --wake-target X      requests that wait for each pod out of zero\n";

static const char rest_text[] =
	"\nRunning it\n"
	"  --state FILE         what is remembered, written at each decision; "
	"a next run\n"
	"                       goes on from it, and takes over processes "
	"that are there\n"
	"  --listen [ADDR:]PORT serves /metrics of its own, for Prometheus "
	"[127.0.0.1]\n"
	"  --ticks N            end after N decisions\n"
	"  --json               what happens as JSON lines\n"
	"  --help               this text\n"
	"\n"
	"SIGTERM, SIGINT, SIGHUP: ends, and every pod before it; twice: at "
	"once.\n"
	"SIGUSR1: ends, and leaves the pods to the next run with this "
	"--state.  Killed,\n"
	"it leaves them as well.\n"
	"Exit: 0 ended as it should, 1 something failed, 2 wrong options.\n"
	"\n"
	"Metrics, with what may be asked of each\n";

void
live_help_print(void)
{
	static const char *const how[] = {[AIBRIX_SERIES_GAUGE] = "",
					  [AIBRIX_SERIES_COUNTER] = ":rate",
					  [AIBRIX_SERIES_HISTOGRAM] =
						  ":mean, :p95, :rate"};

	fputs(pods_text, stdout);
	fputs(decision_text, stdout);
	fputs(rest_text, stdout);
	for (uint32_t i = 0; i < AIBRIX_SERIES_MAX; i++) {
		const char *name = aibrix_series_name(i);

		if (name)
			printf("  %s%s\n", name, how[aibrix_series_type(i)]);
	}
}
