#ifndef AIBRIX_VERSION_H
#define AIBRIX_VERSION_H

/* The project's version; meson.build carries the same and checks it. */
#define AIBRIX_VERSION_MAJOR 0
#define AIBRIX_VERSION_MINOR 1
#define AIBRIX_VERSION_PATCH 0

/* The binary interface has its own number: the soname's. */
#define AIBRIX_ABI_MAJOR 0

#endif
