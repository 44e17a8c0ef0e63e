/*
 * How a connection that was served ended.
 */
#ifndef SERVER_ENDING_H
#define SERVER_ENDING_H

enum ending {
    ENDING_PEER,    /**< The peer shut its side down and got everything. */
    ENDING_IDLE,    /**< Nothing came for the idle timeout. */
    ENDING_DRAINED, /**< The server drains, and everything received was answered. */
    ENDING_BROKEN,  /**< The peer is gone. */
    ENDING_STUCK,   /**< The peer did not take its answer in time. */
    ENDING_BYTES,   /**< It sent as many bytes as a connection may; they were answered. */
    ENDING_OLD,     /**< It lasted as long as a connection may. */
    ENDING_CUT,     /**< The server ended, or its drain's time did. */
    ENDING_LOST,    /**< The process that served it died. */
    ENDING_COUNT,
};

/** As metrics and logs call it: a word. */
const char *ending_name(enum ending ending);

#endif
