# Print a Makefile's commands: "##@ Group" starts a group, "target: … ## what it does" is a command.

BEGIN { FS = ":.*## +" }
/^##@ / { printf "\n%s\n", substr($0, 5) }
/^[a-z-]+:.*## / { printf "  make %-7s  %s\n", $1, $2 }
END { print "" }
