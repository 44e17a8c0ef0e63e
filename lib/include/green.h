/*
 * Everything green offers, in one include.
 */
#ifndef GREEN_H
#define GREEN_H

#include "green/base.h"
#include "green/channel.h"
#include "green/debug.h"
#include "green/executor.h"
#include "green/future.h"
#include "green/generator.h"
#include "green/group.h"
#include "green/ipc.h"
#include "green/job.h"
#include "green/local.h"
#include "green/manager.h"
#include "green/net.h"
#include "green/os.h"
#include "green/pipe.h"
#include "green/queue.h"
#include "green/seed.h"
#include "green/server.h"
#include "green/subprocess.h"
#include "green/sync.h"
#include "green/timeout.h"

/* Part of the library when it was built with http-parser. */
#if __has_include("green/http.h")
#include "green/http.h"
#endif

/* With OpenSSL. */
#if __has_include("green/tls.h")
#include "green/tls.h"
#endif

#endif
