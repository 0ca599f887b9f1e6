# bash completion for vrctl, made by `vrctl completion bash`.
_vrctl()
{
	local IFS=$'\n'
	COMPREPLY=($("${COMP_WORDS[0]}" completion of bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
	case ${COMPREPLY-} in
	*= | *.) compopt -o nospace ;;
	esac
}
complete -o default -F _vrctl vrctl
