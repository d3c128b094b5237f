# SPDX-License-Identifier: GPL-2.0-only
# olddefconfig.sh KCONFIG CONFIG: keeps of CONFIG what KCONFIG allows.
awk -v kconfig="$1" '
	BEGIN {
		while ((getline line < kconfig) > 0) {
			split(line, word, " ")
			if (word[1] == "config") name = word[2]
			if (word[1] == "bool" && word[2] != "") prompt[name] = 1
			if (word[1] == "depends") needs[name] = word[3]
		}
	}
	/^CONFIG_[A-Z]+=y$/ { sub(/^CONFIG_/, ""); sub(/=y$/, ""); on[$0] = 1 }
	/^# CONFIG_[A-Z]+ is not set$/ { sub(/^CONFIG_/, "", $2); on[$2] = 0 }
	END {
		for (name in prompt) {
			good = on[name] && (needs[name] == "" || on[needs[name]])
			print good ? "CONFIG_" name "=y" : "# CONFIG_" name " is not set"
		}
	}
' "$2" > "$2.new" && mv "$2.new" "$2"
