/* The dumped form, byte for byte in doc/modules/index.md. */
#ifndef SIMPLE_DUMP_H
#define SIMPLE_DUMP_H

#define DUMP_MAGIC "AIBXINDX"

enum {
	DUMP_VERSION = 1,
	DUMP_HEADER = 48,
	DUMP_OWNER = 16,
	DUMP_PLACE = 20,
	DUMP_NAME = 12,
	DUMP_HOLDER = 20,
	DUMP_CHECKSUM = 4
};

#endif
