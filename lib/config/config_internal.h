#ifndef CONFIG_INTERNAL_H
#define CONFIG_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include <aibrix/config.h>
#include <aibrix/key_text.h>
#include <aibrix/resp.h>
#include <aibrix/rocksdb.h>
#include <aibrix/shfs.h>

enum kind {
	KIND_BOOLEAN,    /* uint32_t */
	KIND_INTEGER,    /* int64_t */
	KIND_RATIO,      /* double, between 0 and 1 */
	KIND_GIB,        /* uint64_t, bytes from a number of GiB */
	KIND_DOUBLE_GET, /* int64_t and the double behind it */
	KIND_WORD,       /* uint32_t */
	KIND_TEXT,       /* const char * */
	KIND_PATH,       /* const char *; ~ is HOME */
	KIND_LIST        /* const char *: parts that are not empty; and the
			    uint32_t behind it: how many */
};

enum {
	ROW_LOWER = 1, /* letters become small */
	ROW_UPPER = 2,
	ROW_KEEP_BLANKS = 4, /* around the value */
	ROW_ALWAYS = 8,      /* the range holds with COMPAT too */
	ROW_POWER = 16,      /* a positive value is a power of two */
	ROW_NAME = 32,       /* becomes the name of a folder */
	ROW_OTHERWISE = 64   /* COMPAT: any other word is .otherwise */
};

struct word {
	const char *text; /* NULL: the last */
	uint32_t value;
};

struct row {
	const char *name;
	const char *older; /* name that counts where name is not given */
	const char *text;  /* what stands for a value that is not given */
	size_t offset;     /* in aibrix_config */
	uint32_t kind;
	uint32_t flags;
	uint32_t otherwise;
	int64_t min, max;
	const struct word *words;
};

enum { CONFIG_ROWS = 68 };

extern const struct row aibrix__config_rows[CONFIG_ROWS];

/* The row whose value is at that offset. */
uint32_t aibrix__config_row(size_t offset);

/* What a reason is as a status. */
int aibrix__config_status(uint32_t reason);

struct span {
	const char *at;
	size_t n;
};

/* Readers of one value: 0, or the reason why not.  compat: as AIBrix. */
struct span aibrix__config_strip(struct span s);
uint32_t aibrix__config_boolean(struct span s, int compat, uint32_t *out);
uint32_t aibrix__config_integer(struct span s, int64_t *out);
uint32_t aibrix__config_number(struct span s, double *out);
uint32_t aibrix__config_word(struct span s, const struct row *row, int compat,
			     uint32_t *out);
uint32_t aibrix__config_text(struct span s, const struct row *row);

/* What _new makes; the public part comes first. */
struct config {
	aibrix_config pub;
	aibrix_allocator alloc;
	size_t text_bytes; /* of the memory behind this struct */
	uint8_t given[CONFIG_ROWS];
	/* What options point to. */
	char conn_id[AIBRIX_CONN_ID_MAX + 1];
	char layout[AIBRIX_CONN_ID_MAX + 1];
	char prefix[AIBRIX_CONN_ID_MAX + 2];
	aibrix_shfs_opts shfs;
	aibrix_resp_opts resp;
	aibrix_rocksdb_opts rocksdb;
};

#endif
