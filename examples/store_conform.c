/*
 * Does a store keep its promises?  Runs the conformance suite of stores on
 * one of the library's backends, or on one that you bring, and says so in
 * TAP.
 *
 *   store_conform --backend file --path /nvme/slots
 *   store_conform --module ./mine.so --table mine_backend --path /whatever
 *
 * A module is a shared object with a function that returns its table:
 *
 *   const aibrix_backend *mine_backend(void);
 */
#define _XOPEN_SOURCE 700 /* nftw */

#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conform/conform.h"

static const char usage[] =
	"usage: store_conform [OPTION]...\n"
	"Run the conformance suite of stores; TAP on standard output.  What "
	"the\n"
	"store holds may be lost.\n"
	"\n"
	"  --backend NAME         mem, file, shfs (default mem)\n"
	"  --path PATH            where the store is (default a new one in\n"
	"                         $TMPDIR or /tmp)\n"
	"  --module FILE          shared object with a backend of your own\n"
	"  --table SYMBOL         its function that returns the "
	"aibrix_backend\n"
	"  --value-bytes N        longest value (default 262144)\n"
	"  --values N             capacity in such values (default 256)\n"
	"  --buffered, --durable, --no-ring\n"
	"                         flags of the store\n"
	"  --seed N               of what is random (default: the time)\n"
	"  --only TEXT            only checks whose name contains it\n"
	"  --list                 name the checks and end\n"
	"  --help\n"
	"\n"
	"Ends with 0 when all checks passed, 1 when one failed, 2 when it "
	"could\n"
	"not be asked.\n";

enum {
	OPT_BACKEND = 1,
	OPT_PATH,
	OPT_MODULE,
	OPT_TABLE,
	OPT_VALUE_BYTES,
	OPT_VALUES,
	OPT_BUFFERED,
	OPT_DURABLE,
	OPT_NO_RING,
	OPT_SEED,
	OPT_ONLY,
	OPT_LIST,
	OPT_HELP
};

static const struct option long_options[] = {
	{"backend", required_argument, NULL, OPT_BACKEND},
	{"path", required_argument, NULL, OPT_PATH},
	{"module", required_argument, NULL, OPT_MODULE},
	{"table", required_argument, NULL, OPT_TABLE},
	{"value-bytes", required_argument, NULL, OPT_VALUE_BYTES},
	{"values", required_argument, NULL, OPT_VALUES},
	{"buffered", no_argument, NULL, OPT_BUFFERED},
	{"durable", no_argument, NULL, OPT_DURABLE},
	{"no-ring", no_argument, NULL, OPT_NO_RING},
	{"seed", required_argument, NULL, OPT_SEED},
	{"only", required_argument, NULL, OPT_ONLY},
	{"list", no_argument, NULL, OPT_LIST},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static const struct {
	const char *name;
	uint32_t backend;
} backends[] = {
	{"mem", AIBRIX_BACKEND_MEM},
	{"file", AIBRIX_BACKEND_FILE},
	{"shfs", AIBRIX_BACKEND_SHFS},
	{"resp", AIBRIX_BACKEND_RESP},
};

/* A request is given up on after this; the suite waits twenty times as long
 * before it calls one lost. */
#define TIMEOUT_NS UINT64_C(2000000000)

struct options {
	aibrix_store_opts store;
	const char *module, *table, *only;
	uint64_t seed;
	int list;
	char own_path[256]; /* made here, and removed */
};

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "store_conform: %s: %s\n", what, why);
	exit(2);
}

static uint64_t
number_of(const char *option, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || n < least ||
	    n > most)
		die(option, "not a number that it takes");
	return n;
}

static uint32_t
backend_of(const char *name)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (strcmp(backends[i].name, name) == 0)
			return backends[i].backend;
	die(name, "no such backend");
	return 0;
}

static const aibrix_backend *
table_of(const struct options *o)
{
	const aibrix_backend *(*get)(void);
	void *module = dlopen(o->module, RTLD_NOW | RTLD_LOCAL);
	void *symbol;

	if (!module)
		die(o->module, dlerror());
	if (!o->table)
		die("--module", "needs --table");
	symbol = dlsym(module, o->table);
	if (!symbol)
		die(o->table, "no such symbol in the module");
	/* POSIX allows it, ISO C has no way to say it. */
	memcpy(&get, &symbol, sizeof(get));
	return get();
}

/* One option with its value; 0: it needs no more than its number. */
static void
option_take(struct options *o, int option, const char *text)
{
	switch (option) {
	case OPT_BACKEND: o->store.backend = backend_of(text); break;
	case OPT_PATH: o->store.path = text; break;
	case OPT_MODULE: o->module = text; break;
	case OPT_TABLE: o->table = text; break;
	case OPT_VALUE_BYTES:
		o->store.value_bytes =
			number_of("--value-bytes", text, 1, 1 << 30);
		break;
	case OPT_VALUES:
		o->store.capacity_bytes =
			number_of("--values", text, 64, 1 << 20);
		break;
	case OPT_BUFFERED: o->store.flags |= AIBRIX_STORE_BUFFERED; break;
	case OPT_DURABLE: o->store.flags |= AIBRIX_STORE_DURABLE; break;
	case OPT_NO_RING: o->store.flags |= AIBRIX_STORE_NO_RING; break;
	case OPT_SEED:
		o->seed = number_of("--seed", text, 0, UINT64_MAX);
		break;
	case OPT_ONLY: o->only = text; break;
	case OPT_LIST: o->list = 1; break;
	case OPT_HELP: fputs(usage, stdout); exit(0);
	default: fputs(usage, stderr); exit(2);
	}
}

static void
options_read(struct options *o, int argc, char **argv)
{
	int option;

	*o = (struct options){.store = {.size = sizeof(o->store),
					.value_bytes = 256 << 10,
					.capacity_bytes = 256,
					.timeout_ns = TIMEOUT_NS},
			      .seed = (uint64_t)time(NULL) * 65537 +
				      (uint64_t)getpid()};
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		option_take(o, option, optarg);
	if (optind < argc)
		die(argv[optind], "not an option");
	o->store.capacity_bytes *= o->store.value_bytes;
	if (o->module) {
		o->store.backend = AIBRIX_BACKEND_USER;
		o->store.user = table_of(o);
	}
	if (o->store.backend != AIBRIX_BACKEND_MEM && !o->store.path) {
		const char *folder = getenv("TMPDIR");
		int fd;

		snprintf(o->own_path, sizeof(o->own_path),
			 "%s/store_conform-XXXXXX",
			 folder && *folder ? folder : "/tmp");
		fd = mkstemp(o->own_path);
		if (fd < 0)
			die(o->own_path, strerror(errno));
		close(fd);
		unlink(o->own_path);
		o->store.path = o->own_path;
	}
}

static int
store_open(void *ctx, uint32_t max_inflight, aibrix_store **out)
{
	const struct options *o = ctx;
	aibrix_store_opts opts = o->store;

	opts.max_inflight = max_inflight;
	return aibrix_store_open(&opts, out);
}

/* A file, or a directory with all that is in it. */
static int
entry_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int
main(int argc, char **argv)
{
	struct options o;
	struct conform_target target;
	uint32_t asked = 0, failed = 0;

	options_read(&o, argc, argv);
	target = (struct conform_target){.open = store_open,
					 .ctx = &o,
					 .value_bytes = o.store.value_bytes,
					 .seed = o.seed,
					 .patience_ns = 20 * TIMEOUT_NS};
	if (!o.list)
		printf("TAP version 13\n# seed %" PRIu64 "\n", o.seed);
	for (uint32_t i = 0; i < conform_n_checks; i++) {
		const struct conform_check *check = &conform_checks[i];
		char reason[CONFORM_REASON];
		int verdict;

		if (o.only && !strstr(check->name, o.only))
			continue;
		if (o.list) {
			printf("%s\n", check->name);
			continue;
		}
		verdict = conform_run(&target, check, reason);
		asked++;
		failed += verdict == CHECK_FAILED;
		printf("%s %u - %s%s%s\n",
		       verdict == CHECK_FAILED ? "not ok" : "ok", asked,
		       check->name, verdict == CHECK_SKIPPED ? " # SKIP " : "",
		       verdict == CHECK_SKIPPED ? reason : "");
		if (verdict == CHECK_FAILED)
			printf("# %s\n", reason);
		fflush(stdout);
	}
	if (!o.list)
		printf("1..%u\n", asked);
	if (o.own_path[0])
		nftw(o.own_path, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
	return failed ? 1 : 0;
}
