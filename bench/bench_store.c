/*
 * Stores against the tools that move the same bytes to and from the same
 * disk or server.
 *
 *   bench_store [--dir DIR] [--rows file|resp|checksum|crypt] [--json]
 * [--quick]
 *
 * file_read_*, file_write_*      the file store against fio
 * resp_get_*, resp_set_*         a client of a real redis-server against
 *                                hiredis and a null client
 * hiredis_*, null_*              those two by themselves
 * resp_cpu_*                     processor time of the client
 * checksum_on, checksum_on_file  gets with and without verification
 * crypt_on_*                     sealed and plain, in memory
 *
 * A pass moves --mib of values (256) once each; ours and the peers take
 * turns.
 */
#include "bench_store.h"

static const char usage[] =
	"  --dir DIR        on the disk to be measured; /var/tmp\n"
	"  --rows PART      of them: file, resp, checksum or crypt\n"
	"  --mib N          values of a pass; 256\n"
	"  --connections N  to the server; 8\n"
	"  --depth N        requests to it in flight, over all of them; 16\n";

static uint32_t
number_of(const char *text, uint32_t most)
{
	unsigned long n = strtoul(text, NULL, 10);

	bench_check(n >= 1 && n <= most, "reading a number");
	return (uint32_t)n;
}

/* Takes ours out of argv; how many are left. */
static int
options_take(struct options *o, int argc, char **argv)
{
	int left = 1;

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--dir") == 0 && value)
			o->dir = argv[++i];
		else if (strcmp(argv[i], "--rows") == 0 && value)
			o->rows = argv[++i];
		else if (strcmp(argv[i], "--mib") == 0 && value)
			o->total_bytes = (uint64_t)number_of(argv[++i], 65536)
					 << 20;
		else if (strcmp(argv[i], "--connections") == 0 && value)
			o->connections = number_of(argv[++i], CONNECTIONS_MOST);
		else if (strcmp(argv[i], "--depth") == 0 && value)
			o->depth = number_of(argv[++i], 1024);
		else
			argv[left++] = argv[i];
	}
	return left;
}

static const struct {
	const char *name;
	void (*run)(const struct options *o);
} parts[] = {{"file", file_rows},
	     {"checksum", sum_rows},
	     {"crypt", crypt_rows},
	     {"resp", resp_rows}};

int
main(int argc, char **argv)
{
	struct options o = {.dir = "/var/tmp", .depth = 16, .connections = 8};
	int left = options_take(&o, argc, argv), status, known = !o.rows;

	status = bench_start_with(&o.b, left, argv, usage);
	if (status)
		return status - 1;
	if (!o.total_bytes)
		o.total_bytes = (uint64_t)(o.b.quick ? 16 : 256) << 20;
	for (uint32_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (o.rows && strcmp(o.rows, parts[i].name) != 0)
			continue;
		known = 1;
		parts[i].run(&o);
	}
	if (!known)
		fprintf(stderr, "no such rows: %s\n", o.rows);
	return !known;
}
