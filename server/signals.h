/*
 * echod's signals: blocked everywhere and read from a descriptor, so that they come as events.
 */
#ifndef SERVER_SIGNALS_H
#define SERVER_SIGNALS_H

/** What a signal asks for. */
enum order {
    ORDER_NONE,      /**< Nothing. */
    ORDER_DRAIN,     /**< Serve to the end, then go. */
    ORDER_END,       /**< Go now. */
    ORDER_DUMP,      /**< Say how things are. */
    ORDER_DUMP_HERE, /**< The same, but all processes of echod were told. */
    ORDER_RELOAD,    /**< Read the configuration again. */
    ORDER_REOPEN,    /**< Open the log files again. */
    ORDER_UPGRADE,   /**< Let the program that is on disk now take over. */
    ORDER_MORE,      /**< One more worker. */
    ORDER_FEWER,     /**< One worker less. */
};

/** Block them in the calling thread and all that it spawns; ignore SIGPIPE. Returns a signalfd or a
 * negative errno. */
int signals_open(void);

/** Wait for a signal that asks for something; ORDER_NONE when the caller was cancelled. Suspends.
 */
enum order signals_wait(int signal_fd);

/** Read one signal that has come and say what it asks for. */
enum order signals_read(int signal_fd);

/**
 * In a process that serves: have SIGQUIT dump whatever the process is at, by a thread that does
 * nothing else, and take it off the signalfd. Where there can be no such thread it stays there.
 *
 * Where it goes is told by tasks_where(): to standard error, or to who asked for it by HTTP.
 *
 * @param report  Called before a dump to standard error, on that thread; may be NULL.
 */
void signals_dump_apart(int signal_fd, void (*report)(void));

/**
 * In a worker process that blocks in its calls: a signalfd would not be read. SIGTERM cancels the
 * calling worker instead, which starts its drain; SIGQUIT's handler writes the dump, so that the
 * worker stays the only thread; what concerns echod as a whole is ignored.
 */
void signals_for_blocking_worker(int signal_fd);

#endif
