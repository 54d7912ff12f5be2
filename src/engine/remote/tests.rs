//! Engines that answer as documented and ones that do harm, behind a real socket.
